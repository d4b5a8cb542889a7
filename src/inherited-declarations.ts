import { inheritedWords } from './inherited-words.ts';
import type { InheritedWords } from './inherited-words.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { Source } from './sources/source.ts';
import { Users } from './sources/users.ts';
import type { Storage } from './storage/storage.ts';

export type InheritedDeclarations = Pick<InheritedWords, 'inheritanceFrom'> & { readonly source: Source };

/**
 * A source in which forks inherit: see `inheritedWords`. What becomes of an instance is told to its forks as well,
 * and to theirs.
 */
export function inheritedDeclarations(
  source: Source,
  storage: Pick<Storage, 'recordOf' | 'inheritanceOf' | 'forksOf'>,
): InheritedDeclarations {
  const words = inheritedWords(source, storage);
  const sources = new Users<InstanceKey>();
  const learn = (key: InstanceKey): void => {
    const of = words.sourceOf(key);
    sources.set(key, of === undefined ? [] : [of]);
  };
  // A fork may be recorded as one of somebody else than it names by now.
  const forksOf = (key: InstanceKey): readonly InstanceKey[] => [
    ...sources.of(key),
    ...storage.forksOf(key).map((record) => record.key),
  ];
  return {
    inheritanceFrom: (key, state, uid) => words.inheritanceFrom(key, state, uid),
    source: {
      start: async (notify) => {
        await source.start((key) => {
          learn(key);
          for (const each of withForks(key, forksOf)) notify(each);
        });
        for (const key of source.keys()) learn(key);
      },
      keys: () => source.keys(),
      declared: (key) => words.declared(key),
      environmentOf: (key) => words.environmentOf(key),
      pullSecretsOf: (key) => words.pullSecretsOf(key),
      ...(source.volumes === undefined ? {} : { volumes: source.volumes }),
      lastStatus: (key) => source.lastStatus(key),
      report: (key, status, events) => source.report(key, status, events),
      forget: (key) => source.forget(key),
      close: () => source.close(),
    },
  };
}

function withForks(
  key: InstanceKey,
  forksOf: (key: InstanceKey) => readonly InstanceKey[],
): ReadonlySet<InstanceKey> {
  const all = new Set([key]);
  // A set that grows while it is walked is walked to its new end.
  for (const each of all) for (const fork of forksOf(each)) all.add(fork);
  return all;
}
