import { constants } from 'node:fs';
import type { CloneMethod } from '../machine/machine.ts';
import { copyFile, mkdtemp, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { diskFull, orDiskFull, saysDiskFull } from './disk-space.ts';
import { commandFailed, runCommand } from './exec.ts';
import { errorCode, removeFile, removeTree } from './files.ts';

/** What ioctl_ficlone(2) answers where blocks cannot be shared. */
const CANNOT_SHARE = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY']);
/** A disk of many GiB on a slow host; nobody waits for it with a guest paused for so long. */
const COPIED_WITHIN_MS = 3_600_000;

/**
 * A new file with the content of another, never with more blocks than that has. Throws when `to` exists, and
 * `DiskFull`; nothing is left then.
 */
export async function cloneFile(from: string, to: string): Promise<CloneMethod> {
  return orDiskFull(dirname(to), `copy ${from}`, async () => {
    if (await isReflinked(from, to)) return 'reflink';
    await copySparsely(from, to);
    return 'sparse-copy';
  });
}

/** How `cloneFile` copies within this directory, found out by trying. */
export async function cloneMethodIn(directory: string): Promise<CloneMethod> {
  const scratch = await mkdtemp(`${directory}/.clone.`);
  try {
    await writeFile(`${scratch}/a`, Buffer.alloc(4096, 1));
    return (await isReflinked(`${scratch}/a`, `${scratch}/b`)) ? 'reflink' : 'sparse-copy';
  } finally {
    await removeTree(scratch);
  }
}

async function isReflinked(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (CANNOT_SHARE.has(errorCode(error) ?? '')) return false;
    throw error;
  }
}

/** cp(1) finds holes by SEEK_HOLE (lseek(2)), which Node does not have, and makes some of zeros. */
async function copySparsely(from: string, to: string): Promise<void> {
  const args = ['--sparse=always', '--reflink=never', '--no-target-directory', from, to];
  const { exitCode, stderr } = await runCommand('cp', args, { timeoutMs: COPIED_WITHIN_MS });
  if (exitCode === 0) return;
  await removeFile(to);
  if (saysDiskFull(stderr)) throw await diskFull(dirname(to), `copy ${from}`);
  throw commandFailed('cp', exitCode, stderr);
}
