import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { HypemanError } from '../errors.ts';

/** A connection to a unix socket, or a transient `SocketUnreachable` after `timeoutMs`. */
export async function connectUnix(path: string, timeoutMs = 2000): Promise<Socket> {
  const socket = connect({ path });
  const timer = setTimeout(() => socket.destroy(new Error('timed out')), timeoutMs);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return socket;
  } catch (error) {
    socket.destroy();
    throw new HypemanError('transient', 'SocketUnreachable', `cannot connect to ${path}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
