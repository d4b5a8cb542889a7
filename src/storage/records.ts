import { chmod, chown, readdir, rmdir } from 'node:fs/promises';
import { HypemanError } from '../errors.ts';
import { orDiskFull } from '../host/disk-space.ts';
import {
  ensureDirectory,
  errorCode,
  isAbsence,
  readIfThere,
  removeFile,
  removeTree,
  statIfThere,
  syncDirectory,
  writeAtomically,
} from '../host/files.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { Forks } from './forks.ts';
import { readRecord, textOfRecord } from './record-text.ts';
import type { RecordProblem } from './storage.ts';

export type Records = {
  all(): readonly InstanceRecord[];
  of(key: string): InstanceRecord | undefined;
  forksOf(source: InstanceKey): readonly InstanceRecord[];
  problems(): readonly RecordProblem[];
  write(record: InstanceRecord): Promise<void>;
  forget(key: string, id: InstanceId): Promise<void>;
  /** Whether this directory is spoken for: by a record, by one that cannot be read, or by a write in hand. */
  isClaimed(directory: string): boolean;
};

type Loaded = { readonly records: readonly InstanceRecord[]; readonly problems: readonly RecordProblem[] };

export async function openRecords(roots: Roots): Promise<Records> {
  const { records, problems } = await loadRecords(roots);
  const byKey = new Map(records.map((record) => [String(record.key), record]));
  const forks = new Forks(records);
  const writing = new Set<string>();
  const directoryOf = (id: InstanceId): string => pathsFor(roots, id).directory;
  return {
    all: () => [...byKey.values()],
    of: (key) => byKey.get(key),
    forksOf: (source) => forks.of(source).flatMap((key) => byKey.get(key) ?? []),
    problems: () => problems,
    write: async (record) => {
      refuseTheft(byKey.get(record.key), record);
      const directory = directoryOf(record.identity.id);
      writing.add(directory);
      try {
        await orDiskFull(directory, `write the record of ${record.key}`, () => writeDurably(roots, record));
        byKey.set(record.key, record);
        forks.put(record);
      } finally {
        writing.delete(directory);
      }
    },
    forget: async (key, id) => {
      await removeRecordLast(roots, id);
      if (byKey.get(key)?.identity.id !== id) return;
      byKey.delete(key);
      forks.drop(key);
    },
    isClaimed: (directory) =>
      writing.has(directory) ||
      problems.some((problem) => problem.directory === directory) ||
      [...byKey.values()].some((record) => directoryOf(record.identity.id) === directory),
  };
}

/** One key, one directory: replacing an id would orphan its disk. */
function refuseTheft(before: InstanceRecord | undefined, after: InstanceRecord): void {
  if (before === undefined || before.identity.id === after.identity.id) return;
  throw new HypemanError(
    'bug',
    'RecordInUse',
    `${after.key} is recorded as instance ${before.identity.id} and cannot become ${after.identity.id} before that is removed`,
  );
}

/** Of two records with one key the older stays in force and the other is reported: neither is touched. */
async function loadRecords(roots: Roots): Promise<Loaded> {
  const records = new Map<string, InstanceRecord>();
  const problems: RecordProblem[] = [];
  for (const name of await directoriesIn(`${roots.state}/instances`)) {
    const directory = `${roots.state}/instances/${name}`;
    const text = await readIfThere(`${directory}/record.json`);
    if (text === undefined) continue;
    const reading = readRecord(text, name);
    if (reading.is === 'unreadable') {
      problems.push(problemOf(directory, reading.why));
      continue;
    }
    const other = records.get(reading.record.key);
    if (other === undefined || other.createdAt > reading.record.createdAt)
      records.set(reading.record.key, reading.record);
    if (other !== undefined) {
      const [loser, winner] =
        other.createdAt > reading.record.createdAt ? [other, reading.record] : [reading.record, other];
      problems.push(
        problemOf(
          pathsFor(roots, loser.identity.id).directory,
          `${loser.key} is instance ${winner.identity.id} already`,
        ),
      );
    }
  }
  return { records: [...records.values()], problems };
}

function problemOf(directory: string, why: string): RecordProblem {
  return {
    directory,
    message: `${directory}/record.json is not used, because ${why}; its files are kept: repair the record, or remove the directory`,
  };
}

async function writeDurably(roots: Roots, record: InstanceRecord): Promise<void> {
  const { directory, record: path } = pathsFor(roots, record.identity.id);
  if ((await statIfThere(directory)) === undefined)
    await makeDirectory(roots, directory, record.identity.owner.gid);
  await writeAtomically(path, textOfRecord(record));
}

/** The VMM enters by its group and opens only what is its own: the record stays root's alone. */
async function makeDirectory(roots: Roots, directory: string, gid: number): Promise<void> {
  const parent = `${roots.state}/instances`;
  await ensureDirectory(parent, 0o711);
  await ensureDirectory(directory, 0o700);
  await chown(directory, 0, gid);
  await chmod(directory, 0o750);
  await syncDirectory(parent);
}

/** In this order a crash leaves either an instance that is still to be removed, or nothing that counts. */
async function removeRecordLast(roots: Roots, id: InstanceId): Promise<void> {
  const { directory, record } = pathsFor(roots, id);
  for (const name of await entriesIn(directory)) {
    if (`${directory}/${name}` !== record) await removeTree(`${directory}/${name}`);
  }
  await removeFile(record);
  await rmdir(directory).catch((error: unknown) => {
    if (!isAbsence(error) && errorCode(error) !== 'ENOTEMPTY') throw error;
  });
}

async function entriesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: unknown) => {
    if (isAbsence(error)) return [];
    throw error;
  });
}

export async function directoriesIn(parent: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(parent, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}
