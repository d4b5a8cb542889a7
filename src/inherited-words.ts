import { inheritanceOf } from './api/inheritance.ts';
import type { Inheritance } from './api/inheritance.ts';
import type { Instance, RunState } from './api/instance.ts';
import type { InstanceKey } from './machine/ids.ts';
import { isWhole, MergedDeclarations } from './merged-declarations.ts';
import type { Fork } from './merged-declarations.ts';
import type { DeclaredEnvironment, Lack } from './secrets/environment.ts';
import type { Secret } from './secrets/secret.ts';
import type { Source } from './sources/source.ts';
import type { Storage } from './storage/storage.ts';

/** What a fork of an instance takes from its declaration, or why that cannot be had now. */
export type InheritanceFound = { readonly is: 'ready'; readonly inheritance: Inheritance } | Missing;

type Missing = Extract<DeclaredEnvironment, { is: 'missing' }>;
export type Words = Pick<Source, 'declared' | 'environmentOf' | 'pullSecretsOf'>;

export type InheritedWords = Words & {
  /** Whom an instance is declared to be a fork of, or was forked from. */
  sourceOf(key: InstanceKey): InstanceKey | undefined;
  /**
   * What is declared of an instance now, for a fork to keep; `state` is what it is in. It is to be kept before
   * `fork.source` is recorded: a fork that has a source and kept nothing of it is held. With `uid`, of that one
   * alone: another one under its key has left it nothing.
   */
  inheritanceFrom(source: InstanceKey, state: RunState, uid?: string): Promise<InheritanceFound>;
};

/** The words of a source, those of forks together with what they inherit: see `MergedDeclarations`. */
export function inheritedWords(
  words: Words,
  storage: Pick<Storage, 'recordOf' | 'inheritanceOf'>,
): InheritedWords {
  const merged = new MergedDeclarations((key) => words.declared(key), storage);
  const parts = { words, merged };
  return {
    declared: (key) => merged.declared(key),
    environmentOf: (key) => environmentOf(parts, key, NOBODY),
    pullSecretsOf: (key) => words.pullSecretsOf(whoShows(parts, key, NOBODY)),
    sourceOf: (key) => merged.forkAt(key)?.source,
    inheritanceFrom: (source, state, uid) => inheritanceFrom(parts, { source, state, uid }, NOBODY),
  };
}

type Parts = { readonly words: Words; readonly merged: MergedDeclarations };
/** Who waits for this answer: nobody is asked for what he asks himself. */
type Asked = ReadonlySet<InstanceKey>;
const NOBODY: Asked = new Set();

/** A fork that names no pull secrets shows those of its source, for as long as that is declared. */
function whoShows(parts: Parts, key: InstanceKey, asked: Asked): InstanceKey {
  const fork = parts.merged.forkAt(key);
  if (fork === undefined || fork.own.instance.spec.imagePullSecrets.length > 0) return key;
  const isThere = parts.merged.declared(fork.source).is !== 'gone' && !asked.has(fork.source);
  return isThere ? whoShows(parts, fork.source, new Set([...asked, key])) : key;
}

/** A fork's own env and envFrom over the source's, name by name. */
async function environmentOf(parts: Parts, key: InstanceKey, asked: Asked): Promise<DeclaredEnvironment> {
  const said = parts.merged.declared(key);
  const fork = parts.merged.forkAt(key);
  const own = await parts.words.environmentOf(key);
  // What it says of its own and cannot be had may be over anything that it inherits.
  if (fork === undefined || !isWhole(said) || own.is === 'missing') return own;
  const asking = new Set([...asked, key]);
  const { state } = said.instance.spec;
  const left = await leftTo(parts, fork, { state, asked: asking });
  if (left.is === 'missing') return { ...left, values: own.values };
  const { env, withheld } = left.inheritance;
  const values = { ...env, ...own.values };
  const lent = lentTo(said.instance).filter(
    (name) => withheld.includes(name) && !Object.hasOwn(own.values, name),
  );
  if (lent.length === 0) return { is: 'ready', values };
  const secrets = await secretsOf(parts, { source: fork.source, names: lent }, asking);
  return { is: 'ready', values: { ...values, ...secrets.values }, lacking: secrets.lacking };
}

function leftTo(
  parts: Parts,
  { kept, source }: Fork,
  { state, asked }: { readonly state: RunState; readonly asked: Asked },
): Promise<InheritanceFound> {
  return kept === undefined
    ? inheritanceFrom(parts, { source, state }, asked)
    : Promise.resolve({ is: 'ready', inheritance: kept });
}

/** The variables whose values a fork may have from its source without keeping them. */
function lentTo({ spec }: Instance): readonly string[] {
  if (spec.forkFrom?.credentials === 'None') return [];
  return [...new Set(Object.values(spec.credentials).map(({ sourceEnv }) => sourceEnv))];
}

type Secrets = {
  readonly values: Readonly<Record<string, Secret>>;
  readonly lacking: Readonly<Record<string, Lack>>;
};

/** Asked of the source each time, so that a value that is rotated there is rotated here. */
async function secretsOf(
  parts: Parts,
  { source, names }: { readonly source: InstanceKey; readonly names: readonly string[] },
  asked: Asked,
): Promise<Secrets> {
  const isThere = parts.merged.declared(source).is !== 'gone' && !asked.has(source);
  const found = isThere ? await environmentOf(parts, source, asked) : undefined;
  const values = new Map<string, Secret>();
  const lacking = new Map<string, Lack>();
  for (const name of names) {
    const value = valueIn(found, name);
    if (value === undefined) lacking.set(name, lackOf(name, source, found));
    else values.set(name, value);
  }
  return { values: Object.fromEntries(values), lacking: Object.fromEntries(lacking) };
}

function valueIn(found: DeclaredEnvironment | undefined, name: string): Secret | undefined {
  return found?.values !== undefined && Object.hasOwn(found.values, name) ? found.values[name] : undefined;
}

function lackOf(name: string, source: InstanceKey, found: DeclaredEnvironment | undefined): Lack {
  const wayOut = "give it a value in this Instance's env";
  if (found === undefined)
    return {
      reason: 'KeyMissing',
      message: `${name} was a secret of ${source}, which is not declared here any more: ${wayOut}`,
    };
  if (found.is === 'missing')
    return {
      reason: found.reason,
      message: `${name} is a secret of ${source}, and cannot be had now: ${found.message}`,
    };
  const inherited = found.lacking ?? {};
  const further = Object.hasOwn(inherited, name) ? inherited[name] : undefined;
  return (
    further ?? {
      reason: 'KeyMissing',
      message: `${name} was a secret of ${source}, which has none of that name any more: ${wayOut}`,
    }
  );
}

async function inheritanceFrom(
  parts: Parts,
  {
    source,
    state,
    uid,
  }: { readonly source: InstanceKey; readonly state: RunState; readonly uid?: string | undefined },
  asked: Asked,
): Promise<InheritanceFound> {
  const said = parts.merged.declared(source);
  if (!isWhole(said) || asked.has(source))
    return missing('SourceNotReady', `what ${source} is to be is not known now`);
  if ((uid ?? said.uid) !== said.uid)
    return missing('SourceNotReady', `${source} has just been replaced by another of that name`);
  const environment = await environmentOf(parts, source, asked);
  if (environment.is === 'missing')
    return missing(environment.reason, `the environment of ${source} cannot be had: ${environment.message}`);
  const now = parts.merged.declared(source);
  // A variable that became the source of a credential meanwhile would be kept as a plain one.
  if (!isWhole(now) || now.instance !== said.instance)
    return missing('SourceNotReady', `the declaration of ${source} has just changed`);
  return { is: 'ready', inheritance: inheritanceOf(said.instance, environment.values, state) };
}

function missing(reason: string, message: string): Missing {
  return { is: 'missing', reason, message };
}
