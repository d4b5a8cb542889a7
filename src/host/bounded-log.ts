import { copyFile, truncate } from 'node:fs/promises';
import { statIfThere } from './files.ts';

/**
 * Keeps a log that somebody else appends to under a bound: past `maxBytes` it is copied to `<path>.1`
 * and cut to nothing. The writer must have opened it with O_APPEND, or it would leave a hole (open(2)).
 * Lines written between copy and cut are lost: the price for a writer that knows nothing of it.
 */
export async function boundLog(path: string, maxBytes: number): Promise<boolean> {
  const stats = await statIfThere(path);
  if (stats === undefined || stats.size <= maxBytes) return false;
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  return true;
}
