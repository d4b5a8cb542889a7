import { readIfThere, replaceFile } from '../host/files.ts';
import { readSnapshot } from '../host/snapshot-files.ts';
import { originPathIn, originText, readOrigin } from '../machine/base.ts';
import type { Base, Origin } from '../machine/base.ts';
import { snapshotId } from '../machine/ids.ts';
import type { SnapshotId } from '../machine/ids.ts';
import type { MachineDisk } from '../machine/machine.ts';
import { basePathsFor, basesDirectory } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import type { SnapshotPaths } from '../machine/snapshot-paths.ts';
import { copyWritableDisks } from './clone-disk.ts';
import { directoriesIn } from './records.ts';

/** See `Snapshots.bases`: those that are whole; what is half made or being removed has no name or no manifest. */
export async function basesIn(roots: Roots, bootId: string): Promise<readonly Base[]> {
  const names = (await directoriesIn(basesDirectory(roots))).filter((name) => !name.startsWith('.'));
  const found = await Promise.all(names.map((name) => baseAt(roots, bootId, snapshotId(name))));
  return found.filter((base) => base !== undefined);
}

/** Undefined for one that no fork can start from. */
export async function baseAt(roots: Roots, bootId: string, id: SnapshotId): Promise<Base | undefined> {
  const paths = basePathsFor(roots, id);
  const seen = await readSnapshot(paths, bootId);
  const origin = readOrigin((await readIfThere(originPathIn(paths.disks))) ?? '');
  return seen.state === 'ready' && origin !== undefined ? { id, manifest: seen.manifest, origin } : undefined;
}

/** See `Snapshots.fillBase`. */
export async function fillBase(
  directory: string,
  disks: readonly MachineDisk[],
  origin: Origin,
): Promise<void> {
  await copyWritableDisks(disks, directory);
  // Not forced to disk: a guest is waiting. It is settled with the disks beside it.
  await replaceFile(originPathIn(directory), originText(origin));
}

/** See `Snapshots.notePause`. */
export async function notePause({ disks }: SnapshotPaths, ms: number): Promise<void> {
  const path = originPathIn(disks);
  const origin = readOrigin((await readIfThere(path)) ?? '');
  if (origin !== undefined) await replaceFile(path, originText({ ...origin, sourcePauseMs: ms }));
}
