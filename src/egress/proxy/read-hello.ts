import type { Socket } from 'node:net';
import type { ClientHello } from './client-hello.ts';
import { readClientHello } from './client-hello.ts';
import { refusal } from './refusal.ts';

export type Hello = Extract<ClientHello, { is: 'hello' }>;

/** One TLS record of the largest size and its header. */
const LONGEST_HELLO = 16_384 + 5;

/**
 * Reads a ClientHello, however it is cut, and puts its bytes back, so that the next reader of the socket
 * sees them. Throws `NotTls`, `HelloTimeout`, or `HelloMissing` when the guest leaves first.
 */
export function readHello(socket: Socket, timeoutMs: number): Promise<Hello> {
  const { promise, resolve, reject } = Promise.withResolvers<Hello>();
  const chunks: Buffer[] = [];
  let length = 0;
  const fail = (reason: string, message: string): void => {
    done();
    reject(refusal(reason, message));
  };
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
    const bytes = Buffer.concat(chunks);
    const hello = readClientHello(bytes);
    if (hello.is === 'hello') {
      done();
      socket.pause();
      socket.unshift(bytes);
      resolve(hello);
    } else if (hello.is === 'malformed' || length > LONGEST_HELLO) {
      fail('NotTls', 'this is not TLS');
    }
  };
  const onClose = (): void => {
    fail('HelloMissing', 'the connection ended before it said anything');
  };
  const timer = setTimeout(() => {
    fail('HelloTimeout', 'the TLS handshake did not begin');
  }, timeoutMs);
  const done = (): void => {
    clearTimeout(timer);
    socket.off('data', onData).off('close', onClose).off('end', onClose);
  };
  socket.on('data', onData).once('close', onClose).once('end', onClose);
  return promise;
}
