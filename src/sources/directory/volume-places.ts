import { isMapping, listOf, textAt, valueAt } from '../../api/raw.ts';
import { ensureDirectory, readIfThere, writeAtomically } from '../../host/files.ts';
import type { Subject } from '../reading.ts';

/** The watched path that a Volume was found under, and its file, or all when it is declared more than once. */
export type VolumePlace = { readonly root: string; readonly files: readonly string[] };

/**
 * Where each Volume was declared, from one controller to the next: so that a directory which is lost at a
 * start is not taken for one that declares nothing, which would delete disks.
 */
export type VolumePlaces = {
  readonly all: ReadonlyMap<Subject, VolumePlace>;
  /** The file was damaged, or a part of it: of a Volume that is not in `all` nobody can say that it was deleted. */
  readonly isDamaged: boolean;
  /** Durable when it resolves. */
  write(subject: Subject, place: VolumePlace): Promise<void>;
  remove(subject: Subject): Promise<void>;
};

export async function openVolumePlaces(stateDir: string): Promise<VolumePlaces> {
  const path = `${stateDir}/declarations/volumes.json`;
  const { places, isDamaged } = placesIn(await readIfThere(path));
  const all = new Map(places);
  let last = Promise.resolve();
  const save = (): Promise<void> => {
    last = last
      .catch(() => undefined)
      .then(async () => {
        await ensureDirectory(`${stateDir}/declarations`);
        await writeAtomically(path, JSON.stringify(Object.fromEntries(all)));
      });
    return last;
  };
  return {
    all,
    isDamaged,
    write: async (subject, place) => {
      all.set(subject, place);
      await save();
    },
    remove: async (subject) => {
      if (all.delete(subject)) await save();
    },
  };
}

type Read = {
  readonly places: readonly (readonly [Subject, VolumePlace])[];
  readonly isDamaged: boolean;
};

/** Damaged: there, and not understood to its last entry. */
function placesIn(text: string | undefined): Read {
  const value = text === undefined ? {} : parsed(text);
  if (!isMapping(value)) return { places: [], isDamaged: true };
  const entries = Object.entries(value);
  const places = entries.flatMap(([subject, place]) => {
    const root = textAt(place, ['root']);
    const files = listOf(valueAt(place, ['files'])).filter((file) => typeof file === 'string');
    return isVolume(subject) && root !== undefined ? [[subject, { root, files }] as const] : [];
  });
  return { places, isDamaged: places.length < entries.length };
}

function isVolume(text: string): text is `Volume/${string}` {
  return text.startsWith('Volume/');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
