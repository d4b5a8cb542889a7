import { dirname, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { EnvFrom, Instance } from '../api/instance.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import { Secret } from '../secrets/secret.ts';
import { observeFile } from './directory/observe-file.ts';
import type { Observation } from './directory/observe-file.ts';

/** Values of the local secret store; undefined where there is no such Secret. */
export type SecretLookup = (key: InstanceKey) => Readonly<Record<string, Secret>> | undefined;

/** The values of a dotenv file, by its absolute path. */
export type EnvFileLookup = (path: string) => Promise<EnvFile>;

export type EnvFile = Missing | { readonly is: 'ready'; readonly values: Values };
type Values = Readonly<Record<string, Secret>>;
type Missing = Extract<DeclaredEnvironment, { is: 'missing' }>;

/**
 * env and envFrom of an instance as Kubernetes merges them: the later of two wins, and env over all.
 * `file` is where it is declared: a relative fileRef starts there.
 */
export async function resolveEnvironment(
  { namespace, spec }: Instance,
  file: string,
  lookups: { readonly secretOf: SecretLookup; readonly envFile?: EnvFileLookup },
): Promise<DeclaredEnvironment> {
  const merged: Record<string, Secret> = {};
  for (const from of spec.envFrom) {
    const found =
      from.from === 'file'
        ? await (lookups.envFile ?? readEnvFile)(resolve(dirname(file), from.path))
        : valuesOfSecret(from, namespace, lookups.secretOf);
    if (found.is === 'missing') return found;
    Object.assign(merged, found.values);
  }
  return { is: 'ready', values: { ...merged, ...spec.env } };
}

/** The dotenv files that an instance is made from, absolute: a change of one is a change of it. */
export function envFilesOf({ spec }: Instance, file: string): readonly string[] {
  return spec.envFrom.flatMap((from) => (from.from === 'file' ? [resolve(dirname(file), from.path)] : []));
}

function valuesOfSecret(
  { name, optional }: Extract<EnvFrom, { from: 'secret' }>,
  namespace: string,
  secretOf: SecretLookup,
): EnvFile {
  const values = secretOf(keyOf(namespace, name));
  if (values !== undefined) return { is: 'ready', values };
  if (optional) return { is: 'ready', values: {} };
  return missing(
    'SecretNotFound',
    `there is no Secret ${name} in namespace ${namespace}: declare one, or mark the secretRef optional`,
  );
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
      return missing('EnvFileUnreadable', `${path}, which envFrom names, ${seen.message}`);
    case 'absent':
    case 'same':
      return missing('EnvFileNotFound', `there is no file ${path}, which envFrom names: create it`);
  }
}

function missing(reason: string, message: string): Missing {
  return { is: 'missing', reason, message };
}
