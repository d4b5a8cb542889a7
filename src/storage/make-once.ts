import { randomBytes } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { orDiskFull } from '../host/disk-space.ts';
import { removeFile, statIfThere, syncDirectory } from '../host/files.ts';

/** Disks in the making are `.overlay.<random>`, which `collect` knows. */
const TEMPORARY_PREFIX = '.overlay.';

export type DiskUser = { readonly uid: number; readonly gid: number };

/**
 * A disk that gets its name, durably, when all of it is there and its user's. One that is there is left as it is.
 * `doing` completes "cannot …". Throws `DiskFull`; nothing is left then.
 */
export async function makeOnce(
  path: string,
  user: DiskUser,
  { doing, make }: { readonly doing: string; readonly make: (temporary: string) => Promise<void> },
): Promise<void> {
  if ((await statIfThere(path)) !== undefined) return;
  const directory = dirname(path);
  const temporary = `${directory}/${TEMPORARY_PREFIX}${randomBytes(6).toString('hex')}`;
  try {
    await orDiskFull(directory, doing, async () => {
      await make(temporary);
      await handOver(temporary, user);
    });
    await rename(temporary, path);
  } catch (error) {
    await removeFile(temporary);
    throw error;
  }
  await syncDirectory(directory);
}

/** Gives a file to a user and makes it durable: before it gets its name. */
export async function handOver(path: string, { uid, gid }: DiskUser): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chown(uid, gid);
    await file.sync();
  } finally {
    await file.close();
  }
}
