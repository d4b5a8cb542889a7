import { open, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError } from '../errors.ts';
import { diskFull, orDiskFull, saysDiskFull } from '../host/disk-space.ts';
import { commandFailed, runCommand } from '../host/exec.ts';
import { readIfThere, removeFile, statIfThere, syncDirectory, writeAtomically } from '../host/files.ts';

const MIB = 1024 ** 2;
const BLOCK = 4096;
/** mkfs that fills a disk, and fsck of one that is full. */
const LONG_MS = 600_000;

export type Ext4Content = {
  readonly label: string;
  /** A directory whose files the new filesystem begins with. */
  readonly from?: string;
  readonly signal?: AbortSignal;
};

/** The size of the filesystem in a disk, or undefined when there is none. A grow that was cut short does not count. */
export async function ext4BytesAt(path: string): Promise<number | undefined> {
  const file = await statIfThere(path);
  if (file === undefined) return undefined;
  const before = Number(await readIfThere(growingMark(path)));
  return Number.isSafeInteger(before) && before > 0 ? Math.min(before, file.size) : file.size;
}

/** Makes a sparse file with an ext4 in it, root's alone. There must be none. Throws `DiskFull` or `CommandFailed`. */
export async function makeExt4(path: string, bytes: number, content: Ext4Content): Promise<void> {
  await makeSparseFile(path, wholeBlocks(bytes));
  await runOnDisk('mkfs.ext4', [...mkfsArguments(bytes, content), path], path, content.signal);
}

/**
 * Grows file and filesystem; a smaller or equal size changes nothing. A mark with the old size stands
 * beside the file while it is longer than its filesystem, so that a crash in between is seen and mended
 * by growing again. Throws `DiskFull`, and `OverlayDamaged` or `VolumeDamaged` when fsck cannot mend it unasked.
 */
export async function growExt4(path: string, bytes: number, what: 'Overlay' | 'Volume'): Promise<void> {
  const before = await ext4BytesAt(path);
  if (before === undefined)
    throw new HypemanError('transient', `${what}Missing`, `there is no disk ${path} to grow`);
  if (bytes <= before) return;
  await checkExt4(path, what, ['-f']);
  await orDiskFull(dirname(path), 'grow a disk', async () => {
    await writeAtomically(growingMark(path), `${before}`);
    await truncate(path, wholeBlocks(bytes));
    await runOnDisk('resize2fs', ['-f', path], path);
  });
  await removeFile(growingMark(path));
  await syncDirectory(dirname(path));
}

/**
 * Replays the journal and mends what can be mended unasked; `-f` looks at a clean filesystem too.
 * e2fsck(8): 0 clean, 1 mended, 2 mended and the system should be rebooted if it was mounted.
 */
export async function checkExt4(
  path: string,
  what: 'Overlay' | 'Volume',
  more: readonly string[] = [],
): Promise<void> {
  const { exitCode, stdout, stderr } = await runCommand('e2fsck', [...more, '-p', path], {
    timeoutMs: LONG_MS,
  });
  if (exitCode <= 2) return;
  throw new HypemanError(
    'transient',
    `${what}Damaged`,
    `the filesystem in ${path} needs a repair by hand (e2fsck ${path}) first: ${`${stdout}\n${stderr}`.trim().slice(-300)}`,
    { facts: { path, exitCode } },
  );
}

/** While it stands, its text is the size that counts. */
export function growingMark(path: string): string {
  return `${path}.growing`;
}

/**
 * - `assume_storage_prezeroed` (e2fsprogs 1.47): a sparse file reads as zeros, so journal and inode tables
 *   are neither written now nor by the guest's lazy initialisation later;
 * - no blocks reserved for root: the disk belongs to one guest;
 * - a journal of 32 MiB: enough for a boot's metadata, and it is disk that a guest really fills. mkfs
 *   needs a filesystem of some size around it: 4 MiB, its smallest, below 512 MiB.
 */
function mkfsArguments(bytes: number, { label, from }: Ext4Content): readonly string[] {
  const journalMib = bytes < 512 * MIB ? 4 : 32;
  const extended = 'nodiscard,assume_storage_prezeroed=1,root_owner=0:0';
  return [
    ...['-q', '-F', '-b', `${BLOCK}`, '-m', '0', '-J', `size=${journalMib}`],
    ...['-E', extended, '-L', label],
    ...(from === undefined ? [] : ['-d', from]),
  ];
}

/** Runs a program that writes to the disk of `path`. Throws `DiskFull` or `CommandFailed`. */
async function runOnDisk(
  program: string,
  args: readonly string[],
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  const { exitCode, stderr } = await runCommand(program, args, {
    timeoutMs: LONG_MS,
    ...(signal === undefined ? {} : { signal }),
  });
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

function wholeBlocks(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}
