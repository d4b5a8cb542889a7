import { randomBytes } from 'node:crypto';
import { open, rename, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError } from '../errors.ts';
import { diskFull, orDiskFull, saysDiskFull } from '../host/disk-space.ts';
import { commandFailed, runCommand } from '../host/exec.ts';
import { readIfThere, removeFile, statIfThere, syncDirectory, writeAtomically } from '../host/files.ts';
import type { Owner } from '../machine/machine.ts';

const MIB = 1024 ** 2;
const BLOCK = 4096;
/** Overlays in the making are `.overlay.<random>`, which `collect` knows. */
export const TEMPORARY_PREFIX = '.overlay.';

/** The size of the filesystem in the overlay, or undefined when there is none. A grow that was cut short does not count. */
export async function overlayBytesAt(path: string): Promise<number | undefined> {
  const file = await statIfThere(path);
  if (file === undefined) return undefined;
  const before = Number(await readIfThere(growingMark(path)));
  return Number.isSafeInteger(before) && before > 0 ? Math.min(before, file.size) : file.size;
}

/**
 * Makes a sparse file with an empty ext4 in it. 10 GiB take about 20 ms and 4.3 MiB of disk. One that is
 * there is left as it is. Throws `DiskFull`.
 */
export async function makeOverlay(path: string, bytes: number, owner: Owner): Promise<void> {
  if ((await statIfThere(path)) !== undefined) return;
  const temporary = `${dirname(path)}/${TEMPORARY_PREFIX}${randomBytes(6).toString('hex')}`;
  try {
    await orDiskFull(dirname(path), 'make an overlay', async () => {
      await makeSparseFile(temporary, wholeBlocks(bytes));
      await runOnDisk('mkfs.ext4', [...mkfsArguments(bytes), temporary], temporary);
      await handOver(temporary, owner);
    });
    await rename(temporary, path);
  } catch (error) {
    await removeFile(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/**
 * Grows file and filesystem; a smaller or equal size changes nothing. A mark with the old size stands
 * beside the file while it is longer than its filesystem, so that a crash in between is seen and mended
 * by growing again. Throws `DiskFull`, and `OverlayDamaged` when fsck cannot mend it unasked.
 */
export async function growOverlayAt(path: string, bytes: number): Promise<void> {
  const before = await overlayBytesAt(path);
  if (before === undefined)
    throw new HypemanError('transient', 'OverlayMissing', `there is no overlay ${path} to grow`);
  if (bytes <= before) return;
  await checkOverlay(path);
  await orDiskFull(dirname(path), 'grow an overlay', async () => {
    await writeAtomically(growingMark(path), `${before}`);
    await truncate(path, wholeBlocks(bytes));
    await runOnDisk('resize2fs', ['-f', path], path);
  });
  await removeFile(growingMark(path));
  await syncDirectory(dirname(path));
}

export async function removeOverlayAt(path: string): Promise<void> {
  await removeFile(path);
  await removeFile(growingMark(path));
}

/**
 * - `assume_storage_prezeroed` (e2fsprogs 1.47): a sparse file reads as zeros, so journal and inode tables
 *   are neither written now nor by the guest's lazy initialisation later;
 * - no blocks reserved for root: the disk belongs to one guest;
 * - a journal of 32 MiB: enough for a boot's metadata, and it is disk that a guest really fills. mkfs
 *   needs a filesystem of some size around it: 4 MiB, its smallest, below 512 MiB.
 */
function mkfsArguments(bytes: number): readonly string[] {
  const journalMib = bytes < 512 * MIB ? 4 : 32;
  const extended = 'nodiscard,assume_storage_prezeroed=1,root_owner=0:0';
  return [
    '-q',
    '-F',
    '-b',
    `${BLOCK}`,
    '-m',
    '0',
    '-J',
    `size=${journalMib}`,
    '-E',
    extended,
    '-L',
    'overlay',
  ];
}

/** e2fsck(8): 0 clean, 1 mended, 2 mended and the system should be rebooted if it was mounted. */
async function checkOverlay(path: string): Promise<void> {
  const { exitCode, stdout, stderr } = await runCommand('e2fsck', ['-f', '-p', path], { timeoutMs: 600_000 });
  if (exitCode <= 2) return;
  throw new HypemanError(
    'transient',
    'OverlayDamaged',
    `the filesystem in ${path} needs a repair by hand (e2fsck ${path}) before it can grow: ${`${stdout}\n${stderr}`.trim().slice(-300)}`,
    { facts: { path, exitCode } },
  );
}

/** Runs a program that writes to the disk of `path`. Throws `DiskFull` or `CommandFailed`. */
async function runOnDisk(program: string, args: readonly string[], path: string): Promise<void> {
  const { exitCode, stderr } = await runCommand(program, args);
  if (exitCode === 0) return;
  if (saysDiskFull(stderr)) throw await diskFull(dirname(path), `run ${program}`);
  throw commandFailed(program, exitCode, stderr);
}

async function makeSparseFile(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.truncate(bytes);
  } finally {
    await file.close();
  }
}

/** Durable, and the VMM's, before it gets its name. */
async function handOver(path: string, owner: Owner): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chown(owner.uid, owner.gid);
    await file.sync();
  } finally {
    await file.close();
  }
}

function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

function growingMark(path: string): string {
  return `${path}.growing`;
}
