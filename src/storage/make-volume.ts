import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError, messageOf } from '../errors.ts';
import { diskFull, orDiskFull, saysDiskFull } from '../host/disk-space.ts';
import { runCommand } from '../host/exec.ts';
import { ensureDirectory, removeTree, statIfThere, syncDirectory, writeAtomically } from '../host/files.ts';
import type { VolumeWish } from '../machine/volume.ts';
import { makeExt4 } from './ext4-disk.ts';
import { handOver } from './make-once.ts';
import { storedVolumeText } from './stored-volume.ts';
import type { StoredVolume } from './volumes.ts';

/** Directories of volumes in the making are `.making-<id>`: what has another name is whole. */
export const MAKING_PREFIX = '.making-';
/** Passable for the VMMs; the disk in it says who may open it. */
export const PASSABLE = 0o711;
const UNPACK_MS = 3_600_000;

/** Makes `<parent>/<id>` as a whole or not at all. Throws `DiskFull`, `ArchiveUnusable`, `VolumeTooSmall`. */
export async function makeVolume(
  parent: string,
  wish: VolumeWish,
  { createdAt, signal }: { readonly createdAt: number; readonly signal: AbortSignal },
): Promise<StoredVolume> {
  const temporary = `${parent}/${MAKING_PREFIX}${wish.id}`;
  const { id, key, reclaimPolicy } = wish;
  const stored: StoredVolume = { version: 1, id, key, createdAt, reclaimPolicy };
  await ensureDirectory(parent, PASSABLE);
  try {
    await orDiskFull(parent, `make the volume ${key}`, async () => {
      await mkdir(temporary, { mode: PASSABLE });
      await makeDisk(`${temporary}/disk.img`, wish, signal);
      await writeAtomically(`${temporary}/volume.json`, storedVolumeText(stored));
    });
    signal.throwIfAborted();
    await rename(temporary, `${parent}/${id}`);
  } catch (error) {
    await removeTree(temporary);
    throw error;
  }
  await syncDirectory(parent);
  return stored;
}

async function makeDisk(path: string, { bytes, archive }: VolumeWish, signal: AbortSignal): Promise<void> {
  if (archive === undefined) await makeExt4(path, bytes, { label: 'volume' });
  else await fillDisk(path, { bytes, archive }, signal);
  await handOver(path, { uid: 0, gid: 0 });
}

/** The filesystem is made with its files in it: nothing is mounted on this host, so nothing can stay mounted. */
async function fillDisk(
  path: string,
  { bytes, archive }: { readonly bytes: number; readonly archive: string },
  signal: AbortSignal,
): Promise<void> {
  const files = `${dirname(path)}/files`;
  await mkdir(files, { mode: 0o700 });
  await unpack(archive, files, { bytes, signal });
  try {
    await makeExt4(path, bytes, { label: 'volume', from: files });
  } catch (error) {
    // The words of libext2fs, ext2_err.et.
    if (!/Could not allocate (block|inode)/.test(messageOf(error))) throw error;
    throw new HypemanError(
      'transient',
      'VolumeTooSmall',
      `the files of ${archive} do not fit into the volume: make spec.size larger`,
    );
  }
  await removeTree(files);
}

/** tar strips what leads out of the directory; no file may be larger than the volume. */
async function unpack(
  archive: string,
  directory: string,
  { bytes, signal }: { readonly bytes: number; readonly signal: AbortSignal },
): Promise<void> {
  if ((await statIfThere(archive))?.isFile() !== true)
    throw unusable(archive, 'there is no such file: check spec.source.archive');
  const tar = ['tar', '--extract', '--numeric-owner', '--same-owner', '--same-permissions', '--xattrs'];
  const { exitCode, stderr } = await runCommand(
    'prlimit',
    [`--fsize=${bytes}`, ...tar, '--file', archive, '--directory', directory],
    { timeoutMs: UNPACK_MS, signal },
  );
  if (exitCode === 0) return;
  if (saysDiskFull(stderr)) throw await diskFull(directory, `unpack ${archive}`);
  throw unusable(archive, stderr.trim().slice(-300) || `tar ended with exit code ${exitCode}`);
}

function unusable(archive: string, why: string): HypemanError {
  return new HypemanError(
    'transient',
    'ArchiveUnusable',
    `the volume cannot be filled from ${archive}: ${why}`,
  );
}
