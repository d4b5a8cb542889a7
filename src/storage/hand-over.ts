import { open } from 'node:fs/promises';

/** Gives a file to a user and makes it durable: before it gets its name. */
export async function handOver(
  path: string,
  { uid, gid }: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chown(uid, gid);
    await file.sync();
  } finally {
    await file.close();
  }
}
