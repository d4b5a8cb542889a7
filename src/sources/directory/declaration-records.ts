import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { isMapping, listOf, textAt, valueAt } from '../../api/raw.ts';
import { ensureDirectory, namesIn, readIfThere, removeFile, writeAtomically } from '../../host/files.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { inParallel } from './parallel.ts';
import { reportedPath } from './status-files.ts';

/** What is remembered of a declaration from one controller to the next. The spec is not: it holds secrets. */
export type DeclarationRecord = {
  readonly version: 1;
  readonly key: InstanceKey;
  readonly uid: string;
  /** 0 until some text of it was valid. */
  readonly generation: number;
  /** Of the spec that has this generation; see `specDigest`. */
  readonly digest?: string;
  /** The watched path it was found under, and its file, or all of them when it is declared more than once. */
  readonly root: string;
  readonly files: readonly string[];
  readonly createdAt: number;
  /** It was seen to be deleted, and its removal is not finished. */
  readonly gone?: true;
};

/** What belongs to no single declaration: `declarations/index.json`. */
type Index = { readonly version: 1; readonly salt: string; readonly roots: Readonly<Record<string, string>> };

/** The memory of a directory source, under `<state>/declarations`. */
export type DeclarationRecords = {
  readonly all: ReadonlyMap<InstanceKey, DeclarationRecord>;
  /** Keys the digests of specs, so that a digest alone gives nothing away. */
  readonly salt: string;
  /** Durable when it resolves. */
  write(record: DeclarationRecord): Promise<void>;
  remove(key: InstanceKey): Promise<void>;
  /** Which directory stood under a watched path when it was last read. */
  identityOf(root: string): string | undefined;
  writeIdentity(root: string, identity: string): Promise<void>;
};

const READS_AT_ONCE = 32;

export async function openDeclarationRecords(stateDir: string): Promise<DeclarationRecords> {
  const base = `${stateDir}/declarations`;
  await ensureDirectory(base);
  const all = await loadAll(stateDir, base);
  let index = await loadIndex(base);
  return {
    all,
    salt: index.salt,
    write: async (record) => {
      const path = `${base}/${record.key}.json`;
      await ensureDirectory(dirname(path));
      await writeAtomically(path, JSON.stringify(record));
      all.set(record.key, record);
    },
    remove: async (key) => {
      await removeFile(`${base}/${key}.json`);
      all.delete(key);
    },
    identityOf: (root) => index.roots[root],
    writeIdentity: async (root, identity) => {
      if (index.roots[root] === identity) return;
      index = { ...index, roots: { ...index.roots, [root]: identity } };
      await writeAtomically(`${base}/index.json`, JSON.stringify(index));
    },
  };
}

async function loadIndex(base: string): Promise<Index> {
  const value = parsed((await readIfThere(`${base}/index.json`)) ?? '');
  const salt = textAt(value, ['salt']);
  if (salt !== undefined) return { version: 1, salt, roots: textsOf(valueAt(value, ['roots'])) };
  // A lost salt makes every spec look edited once: generations advance, nothing restarts.
  const fresh: Index = { version: 1, salt: randomBytes(32).toString('hex'), roots: {} };
  await writeAtomically(`${base}/index.json`, JSON.stringify(fresh));
  return fresh;
}

async function loadAll(stateDir: string, base: string): Promise<Map<InstanceKey, DeclarationRecord>> {
  const keys: InstanceKey[] = [];
  for (const namespace of await namesIn(base))
    for (const file of await namesIn(`${base}/${namespace}`))
      if (/^[^.].*\.json$/.test(file)) keys.push(keyOf(namespace, file.slice(0, -'.json'.length)));
  const records = new Map<InstanceKey, DeclarationRecord>();
  await inParallel(keys, READS_AT_ONCE, async (key) => {
    const text = (await readIfThere(`${base}/${key}.json`)) ?? '';
    const record = recordIn(text, key) ?? (await recoveredRecord(stateDir, key));
    if (record !== undefined) records.set(key, record);
  });
  return records;
}

function recordIn(text: string, key: InstanceKey): DeclarationRecord | undefined {
  const value = parsed(text);
  const [uid, root] = ['uid', 'root'].map((name) => textAt(value, [name]));
  const [generation, createdAt] = ['generation', 'createdAt'].map((name) => Number(valueAt(value, [name])));
  const files = listOf(valueAt(value, ['files'])).filter((file) => typeof file === 'string');
  if (textAt(value, ['key']) !== key || uid === undefined || root === undefined) return undefined;
  const digest = textAt(value, ['digest']);
  return {
    ...{ version: 1, key, uid, root, files, generation: generation ?? 0, createdAt: createdAt ?? 0 },
    ...(digest === undefined ? {} : { digest }),
    ...(valueAt(value, ['gone']) === true ? { gone: true } : {}),
  };
}

/** A damaged record must not cost a machine its identity: the last report names it as well. */
async function recoveredRecord(stateDir: string, key: InstanceKey): Promise<DeclarationRecord | undefined> {
  const report = parsed((await readIfThere(reportedPath(stateDir, key))) ?? '');
  const uid = textAt(report, ['metadata', 'uid']);
  const generation = valueAt(report, ['metadata', 'generation']);
  if (uid === undefined || typeof generation !== 'number') return undefined;
  const createdAt = Date.parse(textAt(report, ['metadata', 'creationTimestamp']) ?? '');
  return {
    version: 1,
    key,
    uid,
    generation,
    root: '',
    files: [`(a damaged record of ${key})`],
    createdAt: createdAt || 0,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isMapping(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
