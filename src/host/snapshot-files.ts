import { randomBytes } from 'node:crypto';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { snapshotPathsAt } from '../machine/snapshot-paths.ts';
import type { SnapshotPaths } from '../machine/snapshot-paths.ts';
import { manifestText, readManifest } from '../machine/snapshot.ts';
import type { SnapshotManifest, SnapshotState } from '../machine/snapshot.ts';
import { orDiskFull } from './disk-space.ts';
import {
  namesIn,
  readIfThere,
  removeFile,
  removeTree,
  replaceFile,
  statIfThere,
  syncDirectory,
  writeAtomically,
} from './files.ts';

/** What lies there. A directory without a manifest is none: it is being removed. */
export async function readSnapshot(paths: SnapshotPaths, bootId: string): Promise<SnapshotState> {
  const text = await readIfThere(paths.manifest);
  if (text === undefined) return { state: 'absent' };
  const seen = readManifest(text, bootId);
  if (seen.state !== 'ready') return seen;
  const writtenAt = await writtenAtOf(paths.memory);
  if (writtenAt === undefined) return { state: 'void', why: 'its memory is missing' };
  if (writtenAt !== seen.manifest.memoryWrittenAt)
    return { state: 'void', why: 'its memory was written to after it was taken' };
  if ((await statIfThere(paths.deviceState)) === undefined)
    return { state: 'void', why: 'its device state is missing' };
  return seen;
}

/** From the first step on there is no snapshot, so that a machine may run on from it. */
export async function discardSnapshot(paths: SnapshotPaths): Promise<void> {
  await removeFile(paths.manifest);
  await removeTree(paths.directory);
}

/** A place to make a snapshot in, which `commitSnapshot` gives its name. Its own begins with a dot. */
export async function openDraft(paths: SnapshotPaths): Promise<SnapshotPaths> {
  const { directory } = paths;
  const draft = `${dirname(directory)}/.${basename(directory)}.${randomBytes(6).toString('hex')}`;
  await mkdir(dirname(directory), { recursive: true, mode: 0o700 });
  await mkdir(draft, { mode: 0o700 });
  return snapshotPathsAt(draft);
}

/**
 * Makes a draft the snapshot, in one step. Nothing is forced to disk yet: a guest may be waiting. Until
 * `settleSnapshot` has done that, the snapshot is void after a power cut, and says so by itself.
 */
export async function commitSnapshot(
  draft: SnapshotPaths,
  paths: SnapshotPaths,
  manifest: Omit<SnapshotManifest, 'memoryWrittenAt' | 'unsettledOnBoot'> & { readonly bootId: string },
): Promise<void> {
  const { bootId, ...rest } = manifest;
  const memoryWrittenAt = await writtenAtOf(draft.memory);
  if (memoryWrittenAt === undefined) throw new Error('a snapshot without a memory');
  const text = manifestText({ ...rest, memoryWrittenAt, unsettledOnBoot: bootId });
  await replaceFile(draft.manifest, text);
  await discardSnapshot(paths);
  await rename(draft.directory, paths.directory);
}

/**
 * Forces a snapshot to disk, so that it outlives a power cut: repeatable, and nothing for one that is
 * settled, void or absent. Takes as long as the disk needs for what the guest wrote last. Throws `DiskFull`.
 */
export async function settleSnapshot(paths: SnapshotPaths, bootId: string): Promise<void> {
  const seen = await readSnapshot(paths, bootId);
  if (seen.state !== 'ready' || seen.isSettled) return;
  await orDiskFull(paths.directory, 'put a snapshot on disk', async () => {
    const disks = (await namesIn(paths.disks)).map((name) => `${paths.disks}/${name}`);
    for (const path of [paths.memory, paths.deviceState, ...disks]) await syncFile(path);
    if (disks.length > 0) await syncDirectory(paths.disks);
    const { unsettledOnBoot, ...settled } = seen.manifest;
    if (unsettledOnBoot !== undefined) await writeAtomically(paths.manifest, manifestText(settled));
    await syncDirectory(dirname(paths.directory));
  });
}

/**
 * Before a machine goes on from its own snapshot: whatever the disk remembers of it after a power cut, it
 * is void then. The removal itself need not be forced to disk any more, with the guest waiting.
 */
export async function unsettleSnapshot(paths: SnapshotPaths, bootId: string): Promise<void> {
  const seen = await readSnapshot(paths, bootId);
  if (seen.state !== 'ready' || !seen.isSettled) return;
  await writeAtomically(paths.manifest, manifestText({ ...seen.manifest, unsettledOnBoot: bootId }));
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function writtenAtOf(path: string): Promise<string | undefined> {
  if ((await statIfThere(path)) === undefined) return undefined;
  return String((await stat(path, { bigint: true })).mtimeNs);
}
