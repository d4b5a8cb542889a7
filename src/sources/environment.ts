import { dirname, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { EnvFrom, Instance } from '../api/instance.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { DeclaredEnvironment, Lack } from '../secrets/environment.ts';
import { Secret } from '../secrets/secret.ts';
import { observeFile } from './directory/observe-file.ts';
import type { Observation } from './directory/observe-file.ts';

/** Values of the local secret store; undefined where there is no such Secret. */
export type SecretLookup = (key: InstanceKey) => Readonly<Record<string, Secret>> | undefined;

/** The values of a dotenv file, by its absolute path. */
export type EnvFileLookup = (path: string) => Promise<EnvFile>;

export type EnvFile = Lacking | { readonly is: 'ready'; readonly values: Values };
/** `unreadable`: it is there, and may hold any name. */
export type Lacking = Lack & { readonly is: 'absent' | 'unreadable' };
type Values = Readonly<Record<string, Secret>>;

/**
 * env and envFrom of an instance as Kubernetes merges them: the later of two wins, and env over all.
 * `file` is where it is declared: a relative fileRef starts there. One that is not there overrides nothing meanwhile,
 * as if it were optional; what stands before one that cannot be read is in doubt.
 */
export async function resolveEnvironment(
  { namespace, spec }: Instance,
  file: string,
  lookups: Lookups,
): Promise<DeclaredEnvironment> {
  let merged: Values = {};
  let first: Lacking | undefined;
  for (const from of spec.envFrom) {
    const found =
      from.from === 'file'
        ? await (lookups.envFile ?? readEnvFile)(resolve(dirname(file), from.path))
        : valuesOfSecret(from, namespace, lookups);
    if (found.is === 'ready') merged = { ...merged, ...found.values };
    if (found.is === 'unreadable') merged = {};
    if (found.is !== 'ready') first ??= found;
  }
  const values = { ...merged, ...spec.env };
  if (first === undefined) return { is: 'ready', values };
  return { is: 'missing', reason: first.reason, message: first.message, values };
}

export type Lookups = {
  readonly secretOf: SecretLookup;
  /** Why a Secret that is there cannot be read, if it cannot. */
  readonly troubleOf?: (key: InstanceKey) => Lack | undefined;
  readonly envFile?: EnvFileLookup;
};

/** The dotenv files that an instance is made from, absolute: a change of one is a change of it. */
export function envFilesOf({ spec }: Instance, file: string): readonly string[] {
  return spec.envFrom.flatMap((from) => (from.from === 'file' ? [resolve(dirname(file), from.path)] : []));
}

function valuesOfSecret(
  { name, optional }: Extract<EnvFrom, { from: 'secret' }>,
  namespace: string,
  { secretOf, troubleOf }: Lookups,
): EnvFile {
  const trouble = troubleOf?.(keyOf(namespace, name));
  if (trouble !== undefined) return { is: 'unreadable', ...trouble };
  const values = secretOf(keyOf(namespace, name));
  if (values !== undefined) return { is: 'ready', values };
  if (optional) return { is: 'ready', values: {} };
  return {
    is: 'absent',
    reason: 'SecretNotFound',
    message: `there is no Secret ${name} in namespace ${namespace}: declare one, or mark the secretRef optional`,
  };
}

async function readEnvFile(path: string): Promise<EnvFile> {
  return envFileFrom(path, await observeFile(path));
}

/** Dotenv as Node reads it (util.parseEnv). */
export function envFileFrom(path: string, seen: Observation): EnvFile {
  switch (seen.is) {
    case 'text': {
      const entries = Object.entries(parseEnv(seen.text));
      return {
        is: 'ready',
        values: Object.fromEntries(entries.map(([name, value]) => [name, new Secret(value ?? '')])),
      };
    }
    case 'unreadable':
      return {
        is: 'unreadable',
        reason: 'EnvFileUnreadable',
        message: `${path}, which envFrom names, ${seen.message}`,
      };
    case 'absent':
    case 'same':
      return {
        is: 'absent',
        reason: 'EnvFileNotFound',
        message: `there is no file ${path}, which envFrom names: create it`,
      };
  }
}
