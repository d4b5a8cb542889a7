import type { Secret } from '../secrets/secret.ts';
import type { Instance, InstanceSpec, RunState } from './instance.ts';

/** What a fork takes over from its source, as it was declared at that time: kept, for the source may go at once. */
export type Inheritance = {
  /** `state` is the source's own at that time, and what a fork without one is to be in. */
  readonly spec: Omit<
    InstanceSpec,
    'forkFrom' | 'imagePullSecrets' | 'env' | 'envFrom' | 'silent' | 'withheld'
  >;
  /** The plain part of its environment, whatever it came from. No source of a credential is in it. */
  readonly env: Readonly<Record<string, Secret>>;
  /** The sources of its credentials: their values are asked of it for as long as it is declared, and never kept. */
  readonly withheld: readonly string[];
};

/** What an instance leaves to its forks. `values` is its whole environment; `state` what it is in. */
export function inheritanceOf(
  { spec }: Instance,
  values: Readonly<Record<string, Secret>>,
  state: RunState,
): Inheritance {
  const withheld = withheldOf(spec);
  const plain = Object.entries(values).filter(([name]) => !withheld.includes(name));
  return { spec: { ...leftOf(spec), state }, env: Object.fromEntries(plain), withheld };
}

const OWN: ReadonlySet<string> = new Set([
  'forkFrom',
  'imagePullSecrets',
  'env',
  'envFrom',
  'silent',
  'withheld',
] satisfies (keyof InstanceSpec)[]);

function leftOf(spec: InstanceSpec): Inheritance['spec'] {
  const left: unknown = Object.fromEntries(Object.entries(spec).filter(([field]) => !OWN.has(field)));
  // eslint-disable-next-line @typescript-eslint/no-unsafe-type-assertion -- Object.entries forgets what the spec knows
  return left as Inheritance['spec'];
}

/** Of these names, those whose values go nowhere: secrets of a fork's source that none of its own credentials is made from. */
export function idleIn(
  names: readonly string[],
  { credentials, withheld = [] }: InstanceSpec,
): readonly string[] {
  const sources = Object.values(credentials).map(({ sourceEnv }) => sourceEnv);
  return names.filter((name) => withheld.includes(name) && !sources.includes(name)).sort();
}

/** The variables that do not enter the guest: the sources of credentials, of its source's too where it is a fork. */
export function withheldOf({ credentials, withheld = [] }: InstanceSpec): readonly string[] {
  return [...new Set([...withheld, ...Object.values(credentials).map(({ sourceEnv }) => sourceEnv)])].sort();
}

/** It shows credentials of its own, or may show its source's, to a registry. */
export function mayShowSecrets({ imagePullSecrets, forkFrom }: InstanceSpec): boolean {
  return imagePullSecrets.length > 0 || forkFrom !== undefined;
}
