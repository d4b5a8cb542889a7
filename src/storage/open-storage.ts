import { errorCode, namesIn, removeTree, statIfThere } from '../host/files.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import { openInheritances } from './inheritances.ts';
import { growOverlayAt, makeOverlay, overlayBytesAt, removeOverlayAt } from './overlay.ts';
import { directoriesIn, openRecords } from './records.ts';
import type { Records } from './records.ts';
import type { Storage } from './storage.ts';

/** Old enough that whoever was writing it is gone: other rooms write in these directories too. */
const LEFT_OVER_AFTER_MS = 10 * 60_000;

/**
 * Opens the records and overlays under `<state>/instances`. Hold the lock of the state directory
 * first. A record that cannot be read does not keep the others from working: see `problems`.
 */
export async function openStorage(options: {
  readonly roots: Roots;
  readonly now?: () => number;
}): Promise<Storage> {
  const { roots, now = Date.now } = options;
  const records = await openRecords(roots);
  const inheritances = await openInheritances(roots, records);
  return {
    records: () => records.all(),
    problems: () => [...records.problems(), ...inheritances.problems()],
    recordOf: (key) => records.of(key),
    forksOf: (source) => records.forksOf(source),
    inheritanceOf: (fork) => inheritances.of(fork),
    keepInheritance: (fork, inheritance) => inheritances.keep(fork, inheritance),
    writeRecord: (record) => records.write(record),
    forget: async (key, id) => {
      await records.forget(key, id);
      inheritances.forget(key, id);
    },
    overlayBytes: (id) => overlayBytesAt(pathsFor(roots, id).overlay),
    createOverlay: (id, bytes, owner) => makeOverlay(pathsFor(roots, id).overlay, bytes, owner),
    growOverlay: (id, bytes) => growOverlayAt(pathsFor(roots, id).overlay, bytes),
    removeOverlay: (id) => removeOverlayAt(pathsFor(roots, id).overlay),
    collect: () => collect(roots, records, now()),
  };
}

async function collect(roots: Roots, records: Records, now: number): Promise<readonly string[]> {
  const gone: string[] = [];
  const parent = `${roots.state}/instances`;
  for (const name of await directoriesIn(parent)) {
    const directory = `${parent}/${name}`;
    const leftOvers = records.isClaimed(directory) ? await leftOversIn(directory, now) : [directory];
    for (const path of leftOvers) if (await isRemoved(path)) gone.push(path);
  }
  return gone;
}

/**
 * Temporary files of interrupted writes: all of ours begin with a dot, and no file that counts does. A standby
 * without a manifest is one whose removal was cut short.
 */
async function leftOversIn(directory: string, now: number): Promise<readonly string[]> {
  const old: string[] = [];
  for (const name of await namesIn(directory)) {
    const isHalfRemoved =
      name === 'standby' && (await statIfThere(`${directory}/standby/manifest.json`)) === undefined;
    if (!name.startsWith('.') && !isHalfRemoved) continue;
    const modifiedAt = (await statIfThere(`${directory}/${name}`))?.mtimeMs ?? now;
    if (now - modifiedAt > LEFT_OVER_AFTER_MS) old.push(`${directory}/${name}`);
  }
  return old;
}

/** What cannot be removed now (somebody writes into it, or it is a mount) is tried again next time. */
async function isRemoved(path: string): Promise<boolean> {
  try {
    await removeTree(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EBUSY') return false;
    throw error;
  }
}
