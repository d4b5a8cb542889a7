import { cloneMethodIn } from '../host/clone-file.ts';
import { ensureDirectory, namesIn, removeTree, statIfThere } from '../host/files.ts';
import { baseAt, basesIn, fillBase, notePause } from './bases.ts';
import {
  commitSnapshot,
  discardSnapshot,
  openDraft,
  readSnapshot,
  settleSnapshot,
} from '../host/snapshot-files.ts';
import { snapshotId } from '../machine/ids.ts';
import type { InstanceId, SnapshotId } from '../machine/ids.ts';
import { basePathsFor, basesDirectory, pathsFor } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import type { SnapshotPaths } from '../machine/snapshot-paths.ts';
import { cloneDisk } from './clone-disk.ts';
import { directoriesIn } from './records.ts';
import type { Snapshots } from './snapshots.ts';

/** Nothing under a draft was written for so long: whoever made it is gone. */
const LEFT_OVER_AFTER_MS = 10 * 60_000;

/** Opens what lies under `<state>/snapshots` and in the instances' standby directories. */
export function openSnapshots(options: {
  readonly roots: Roots;
  readonly bootId: string;
  readonly now?: () => number;
}): Snapshots {
  const { roots, bootId, now = Date.now } = options;
  const standbyOf = (id: InstanceId): SnapshotPaths => pathsFor(roots, id).standby;
  const baseOf = (base: SnapshotId): SnapshotPaths => basePathsFor(roots, base);
  return {
    cloneMethod: async () => {
      await ensureDirectory(basesDirectory(roots));
      return cloneMethodIn(basesDirectory(roots));
    },
    standby: (id) => readSnapshot(standbyOf(id), bootId),
    settleStandby: (id) => settleSnapshot(standbyOf(id), bootId),
    discardStandby: (id) => discardSnapshot(standbyOf(id)),
    basePaths: baseOf,
    base: (base) => readSnapshot(baseOf(base), bootId),
    bases: () => basesIn(roots, bootId),
    fillBase,
    freezeDisks: (base, source, fill) => freezeDisks(baseOf(base), { source, fill, bootId, at: now() }),
    notePause: (base, ms) => notePause(baseOf(base), ms),
    settleBase: (base) => settleSnapshot(baseOf(base), bootId),
    collectBases: (isUsed) => collectBases({ roots, bootId, now: now() }, isUsed),
    cloneDisk,
  };
}

async function freezeDisks(
  base: SnapshotPaths,
  frozen: {
    readonly source: InstanceId;
    readonly fill: (directory: string) => Promise<void>;
    readonly bootId: string;
    readonly at: number;
  },
): Promise<void> {
  const { source, fill, bootId, at } = frozen;
  if ((await readSnapshot(base, bootId)).state === 'ready') return;
  const draft = await openDraft(base);
  try {
    await ensureDirectory(draft.disks);
    await fill(draft.disks);
    await commitSnapshot(draft, base, { words: { version: 1, source, createdAt: at }, bootId });
  } catch (error) {
    await removeTree(draft.directory);
    throw error;
  }
}

async function collectBases(
  { roots, bootId, now }: { readonly roots: Roots; readonly bootId: string; readonly now: number },
  isUsed: Parameters<Snapshots['collectBases']>[0],
): Promise<readonly string[]> {
  const gone: string[] = [];
  const parent = basesDirectory(roots);
  for (const name of await directoriesIn(parent)) {
    const id = snapshotId(name);
    const paths = basePathsFor(roots, id);
    const isKept = name.startsWith('.')
      ? now - (await lastWriteIn(paths)) <= LEFT_OVER_AFTER_MS
      : isUsed(id, await baseAt(roots, bootId, id));
    if (isKept) continue;
    await discardSnapshot(paths);
    gone.push(paths.directory);
  }
  return gone;
}

async function lastWriteIn(paths: SnapshotPaths): Promise<number> {
  const disks = (await namesIn(paths.disks)).map((name) => `${paths.disks}/${name}`);
  const places = [paths.directory, paths.memory, paths.disks, ...disks];
  const written = await Promise.all(places.map(async (path) => (await statIfThere(path))?.mtimeMs ?? 0));
  return Math.max(...written);
}
