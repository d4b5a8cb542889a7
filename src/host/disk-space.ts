import { statfs } from 'node:fs/promises';
import { HypemanError } from '../errors.ts';
import { errorCode } from './files.ts';

const GIB = 1024 ** 3;

/** Bytes that can still be written where `path` lies (statfs(2), f_bavail). */
export async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** The whole size of the filesystem where `path` lies. */
export async function totalBytesAt(path: string): Promise<number> {
  const { blocks, bsize } = await statfs(path);
  return blocks * bsize;
}

/** True for the texts of ENOSPC and EDQUOT (errno(3)), as every program prints them under LC_ALL=C. */
export function saysDiskFull(text: string): boolean {
  return /no space left on device|disk quota exceeded/i.test(text);
}

export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT' || (error instanceof Error && saysDiskFull(error.message));
}

/** The transient `DiskFull`, with the path and what is left there. `doing` completes "cannot …". */
export async function diskFull(path: string, doing: string, cause?: unknown): Promise<HypemanError> {
  const freeBytes = await freeBytesAt(path).catch(() => 0);
  return new HypemanError(
    'transient',
    'DiskFull',
    `cannot ${doing}: the disk of ${path} is full (${(freeBytes / GIB).toFixed(2)} GiB free); free some space there`,
    { cause, facts: { path, freeBytes } },
  );
}

/** Runs `work`; its "no space left" becomes `DiskFull` at `path`. */
export async function orDiskFull<T>(path: string, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isDiskFull(error)) throw await diskFull(path, doing, error);
    throw error;
  }
}
