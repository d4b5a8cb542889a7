import type { Inheritance } from '../api/inheritance.ts';
import { HypemanError } from '../errors.ts';
import { orDiskFull } from '../host/disk-space.ts';
import { readIfThere, writeAtomically } from '../host/files.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import { readInheritance, textOfInheritance } from './inheritance-text.ts';
import type { Records } from './records.ts';
import type { RecordProblem } from './storage.ts';

/** What forks were left by their sources, beside their records. */
export type Inheritances = {
  of(fork: InstanceKey): Inheritance | undefined;
  problems(): readonly RecordProblem[];
  keep(fork: InstanceKey, inheritance: Inheritance): Promise<void>;
  /** Its file went with the directory. */
  forget(fork: string, id: InstanceId): void;
};

type Kept = { readonly id: InstanceId } & (
  { readonly inheritance: Inheritance } | { readonly problem: RecordProblem }
);

/** A file that cannot be read is a problem, and stays as it is; so does its record. */
export async function openInheritances(roots: Roots, records: Records): Promise<Inheritances> {
  const kept = await load(roots, records);
  return {
    of: (fork) => {
      const found = kept.get(fork);
      return found !== undefined && 'inheritance' in found ? found.inheritance : undefined;
    },
    problems: () => [...kept.values()].flatMap((one) => ('problem' in one ? [one.problem] : [])),
    keep: async (fork, inheritance) => {
      const id = records.of(fork)?.identity.id;
      if (id === undefined)
        throw new HypemanError('bug', 'NoRecord', `${fork} is not on record, so nothing can be kept for it`);
      const path = pathsFor(roots, id).inheritance;
      await orDiskFull(path, `keep what ${fork} has from its source`, () =>
        writeAtomically(path, textOfInheritance(fork, inheritance)),
      );
      kept.set(fork, { id, inheritance });
    },
    forget: (fork, id) => {
      if (kept.get(fork)?.id === id) kept.delete(fork);
    },
  };
}

async function load(roots: Roots, records: Records): Promise<Map<string, Kept>> {
  const kept = new Map<string, Kept>();
  for (const { key, identity, fork } of records.all()) {
    if (fork === undefined) continue;
    const { id } = identity;
    const { directory, inheritance: path } = pathsFor(roots, id);
    const text = await readIfThere(path);
    if (text === undefined) continue;
    const reading = readInheritance(text, key);
    if (reading.is === 'inheritance') kept.set(key, { id, inheritance: reading.inheritance });
    else kept.set(key, { id, problem: { directory, message: messageFor(path, reading.why) } });
  }
  return kept;
}

function messageFor(path: string, why: string): string {
  return `${path} is not used, because ${why}; its fork is left as it is: repair the file, or delete the fork`;
}
