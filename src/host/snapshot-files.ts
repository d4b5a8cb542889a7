import { randomBytes } from 'node:crypto';
import { mkdir, rename, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { memoryParts } from '../machine/hotplug.ts';
import { snapshotPathsAt } from '../machine/snapshot-paths.ts';
import type { SnapshotPaths } from '../machine/snapshot-paths.ts';
import { manifestText, readManifest } from '../machine/snapshot.ts';
import type { KeptMemory, MachineShape, SnapshotManifest, SnapshotState } from '../machine/snapshot.ts';
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
  syncFile,
} from './files.ts';

/** What lies there. A directory without a manifest is none: it is being removed. */
export async function readSnapshot(paths: SnapshotPaths, bootId: string): Promise<SnapshotState> {
  const text = await readIfThere(paths.manifest);
  if (text === undefined) return { state: 'absent' };
  const seen = readManifest(text, bootId);
  if (seen.state !== 'ready') return seen;
  const why = await damageOf(paths, seen.manifest);
  return why === undefined ? seen : { state: 'void', why };
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

/** What a manifest says but for what the files say themselves. */
export type SnapshotWords = Pick<SnapshotManifest, 'version' | 'source' | 'createdAt'> & {
  readonly memory?: Omit<KeptMemory, 'writtenAt' | 'dimmsWrittenAt'>;
};

/**
 * Makes a draft the snapshot, in one step. Nothing is forced to disk yet: a guest may be waiting. Until
 * `settleSnapshot` has done that, the snapshot is void after a power cut, and says so by itself.
 */
export async function commitSnapshot(
  draft: SnapshotPaths,
  paths: SnapshotPaths,
  { words, bootId }: { readonly words: SnapshotWords; readonly bootId: string },
): Promise<void> {
  const { version, source, createdAt, memory } = words;
  const kept = memory === undefined ? {} : { memory: { ...memory, ...(await timesOf(draft, memory.shape)) } };
  const manifest = { version, source, createdAt, ...kept, unsettledOnBoot: bootId };
  await replaceFile(draft.manifest, manifestText(manifest));
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
    const { memory } = seen.manifest;
    const kept = memory === undefined ? [] : [...memoryFiles(paths, memory.shape), paths.deviceState];
    for (const path of [...kept, ...disks]) await syncFile(path);
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

async function damageOf(paths: SnapshotPaths, { memory }: SnapshotManifest): Promise<string | undefined> {
  if (memory === undefined) return undefined;
  for (const path of memoryFiles(paths, memory.shape))
    if ((await statIfThere(path)) === undefined) return 'its memory is missing';
  if ((await statIfThere(paths.deviceState)) === undefined) return 'its device state is missing';
  const { writtenAt, dimmsWrittenAt = [] } = await timesOf(paths, memory.shape);
  const isAsItWas =
    writtenAt === memory.writtenAt && dimmsWrittenAt.join() === (memory.dimmsWrittenAt ?? []).join();
  return isAsItWas ? undefined : 'its memory was written to after it was taken';
}

function memoryFiles({ memory }: SnapshotPaths, { hotplug }: MachineShape): readonly string[] {
  return memoryParts(hotplug?.dimms ?? []).map((part) => `${memory}${part}`);
}

async function timesOf(
  paths: SnapshotPaths,
  shape: MachineShape,
): Promise<Pick<KeptMemory, 'writtenAt' | 'dimmsWrittenAt'>> {
  const [writtenAt = '', ...dimmsWrittenAt] = await Promise.all(memoryFiles(paths, shape).map(writtenAtOf));
  return dimmsWrittenAt.length === 0 ? { writtenAt } : { writtenAt, dimmsWrittenAt };
}

async function writtenAtOf(path: string): Promise<string> {
  return String((await stat(path, { bigint: true })).mtimeNs);
}
