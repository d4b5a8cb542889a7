import { readIfThere, replaceFile } from '../host/files.ts';
import { readSnapshot } from '../host/snapshot-files.ts';
import { originPathIn, originText, readOrigin } from '../machine/base.ts';
import type { Base, Origin } from '../machine/base.ts';
import { snapshotId } from '../machine/ids.ts';
import type { MachineDisk } from '../machine/machine.ts';
import { basePathsFor, basesDirectory } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import type { SnapshotPaths } from '../machine/snapshot-paths.ts';
import { copyWritableDisks } from './clone-disk.ts';
import { directoriesIn } from './records.ts';

/** See `Snapshots.bases`: those that are whole; what is half made or being removed has no name or no manifest. */
export async function basesIn(roots: Roots, bootId: string): Promise<readonly Base[]> {
  const names = (await directoriesIn(basesDirectory(roots))).filter((name) => !name.startsWith('.'));
  const found = await Promise.all(
    names.map(async (name) => {
      const paths = basePathsFor(roots, snapshotId(name));
      const seen = await readSnapshot(paths, bootId);
      const origin = readOrigin((await readIfThere(originPathIn(paths.disks))) ?? '');
      if (seen.state !== 'ready' || origin === undefined) return [];
      return [{ id: snapshotId(name), manifest: seen.manifest, origin }];
    }),
  );
  return found.flat();
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
