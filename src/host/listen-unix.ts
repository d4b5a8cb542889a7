import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, rename } from 'node:fs/promises';
import type { Server } from 'node:net';
import { basename, dirname } from 'node:path';
import { HypemanError, messageOf } from '../errors.ts';
import { ensureDirectory, removeFile, statIfThere } from './files.ts';
import { connectUnix } from './unix-socket.ts';

/**
 * Lets a server listen on a unix socket that only its owner may connect to, from the first moment on:
 * it is bound under a temporary name, made 0600, and renamed into place, over the socket that a crash
 * left behind. Throws `SocketInUse` when somebody answers there. Returns how to stop listening.
 */
export async function listenUnix(server: Server, path: string): Promise<() => Promise<void>> {
  await ensureDirectory(dirname(path), 0o711);
  if (await someoneAnswers(path))
    throw new HypemanError('invalid', 'SocketInUse', `another controller already answers on ${path}`);
  // Short: the whole path has to fit into 107 bytes (unix(7), sun_path).
  const temporary = `${dirname(path)}/.${basename(path).slice(0, 4)}${randomBytes(4).toString('hex')}`;
  try {
    server.listen({ path: temporary });
    await once(server, 'listening');
    await chmod(temporary, 0o600);
    await rename(temporary, path);
  } catch (error) {
    server.close();
    await removeFile(temporary);
    throw new HypemanError('transient', 'SocketFailed', `cannot listen on ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const inode = (await statIfThere(path))?.ino;
  return async () => {
    // A successor may have put its own socket there by now.
    if ((await statIfThere(path))?.ino === inode) await removeFile(path);
  };
}

async function someoneAnswers(path: string): Promise<boolean> {
  try {
    (await connectUnix(path)).destroy();
    return true;
  } catch {
    return false;
  }
}
