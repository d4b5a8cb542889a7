import { inherited, inheritedProblems } from './api/inherited.ts';
import type { InheritedSpec } from './api/inherited.ts';
import { inheritanceOf } from './api/inheritance.ts';
import type { Inheritance } from './api/inheritance.ts';
import type { Instance, Problem } from './api/instance.ts';
import { problemText } from './api/problem.ts';
import { keyOf, namespaceOf } from './machine/ids.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { Forking } from './machine/record.ts';
import type { Declared, DeclaredRefusal, Source } from './sources/source.ts';
import type { Storage } from './storage/storage.ts';

export type Wanted = Extract<Declared, { is: 'wanted' }>;

/** A fork by its own words, and whom it leaves the rest to. */
export type Fork = {
  readonly key: InstanceKey;
  readonly source: InstanceKey;
  readonly own: Wanted;
  readonly kept?: Inheritance;
  /** It has its source's disks, but what it was left with them is not there or cannot be read. */
  readonly isBereft: boolean;
};

/** A fork and its sources, up to the first that leans on no other declaration: that is `end`. */
type Line = { readonly forks: readonly Fork[]; readonly end: Declared; readonly isCircle: boolean };

/** A fork's words over what it was left: `from` tells whether they still are. */
type Merged = { readonly from: object; readonly instance: Instance; readonly problems: readonly Problem[] };

const GONE: Declared = { is: 'gone' };

/**
 * Declarations in which a fork says what it says itself and, of the rest, what its source said when it was forked;
 * until then, what its source says now. While its source says nothing, it stays `silent`. A fork that cannot be
 * what the two say together is held, as it was: half of a policy is none.
 */
export class MergedDeclarations {
  readonly #declared: Source['declared'];
  readonly #storage: Pick<Storage, 'recordOf' | 'inheritanceOf'>;
  /** By a fork's own words: equal words are one Instance, so that who compares them sees no edit. */
  readonly #merged = new WeakMap<Instance, Merged>();

  constructor(declared: Source['declared'], storage: Pick<Storage, 'recordOf' | 'inheritanceOf'>) {
    this.#declared = declared;
    this.#storage = storage;
  }

  declared(key: InstanceKey): Declared {
    const { forks, end, isCircle } = this.#lineOf(key);
    const [first] = forks;
    if (first === undefined || !isCircle)
      return forks.reduceRight<Declared>((source, fork) => this.#over(source, fork), end);
    return held(first.own, { reason: 'Invalid', message: circleText(forks) });
  }

  forkAt(key: InstanceKey): Fork | undefined {
    const own = this.#declared(key);
    const named = own.is === 'wanted' ? own.instance.spec.forkFrom : undefined;
    if (own.is !== 'wanted' || named === undefined) return undefined;
    const declared = keyOf(namespaceOf(key), named.instance);
    const forking = this.#forkingOf(key, own);
    const isTaken = forking?.source !== undefined;
    // Until something is taken of it, whom it is a fork of may be edited.
    const fork = { key, own, source: isTaken ? forking.instance : declared };
    const kept = isAsked(forking, fork.source) ? this.#storage.inheritanceOf(key) : undefined;
    return kept === undefined ? { ...fork, isBereft: isTaken } : { ...fork, kept, isBereft: false };
  }

  /** A record speaks for its own instance: a successor of the same name has another uid. */
  #forkingOf(key: InstanceKey, { uid }: Wanted): Forking | undefined {
    const record = this.#storage.recordOf(key);
    return record?.uid === uid ? record.fork : undefined;
  }

  #lineOf(key: InstanceKey): Line {
    const forks: Fork[] = [];
    const seen = new Set<InstanceKey>();
    for (let at = key; ;) {
      const fork = this.forkAt(at);
      if (fork === undefined) return { forks, end: this.#declared(at), isCircle: false };
      forks.push(fork);
      seen.add(at);
      if (fork.isBereft || fork.kept !== undefined) return { forks, end: GONE, isCircle: false };
      if (seen.has(fork.source)) return { forks, end: GONE, isCircle: fork.source === key };
      at = fork.source;
    }
  }

  #over(source: Declared, fork: Fork): Declared {
    const { own, kept, isBereft } = fork;
    if (isBereft) return held(own, { reason: 'SourceLost', message: bereftText(fork) });
    if (kept !== undefined) return judged(fork, this.#mergedFrom(own.instance, kept, kept));
    if (!isWhole(source)) return own;
    const { instance } = source;
    return judged(
      fork,
      this.#mergedFrom(own.instance, instance, inheritanceOf(instance, {}, instance.spec.state)),
    );
  }

  #mergedFrom(own: Instance, from: object, left: InheritedSpec): Merged {
    const known = this.#merged.get(own);
    if (known?.from === from) return known;
    const instance = inherited(own, left);
    const merged = { from, instance, problems: inheritedProblems(instance.spec) };
    this.#merged.set(own, merged);
    return merged;
  }
}

/** Before a fork asks its source for a base, what that declares is kept. */
function isAsked(forking: Forking | undefined, source: InstanceKey): boolean {
  if (forking?.instance !== source) return false;
  return forking.askedAt !== undefined || forking.source !== undefined;
}

function judged({ own, source }: Fork, { instance, problems }: Merged): Declared {
  if (problems.length === 0) return { ...own, instance };
  const message = [`together with what it has from ${source}:`, ...problems.map(problemText)].join('\n');
  return held(own, { reason: 'Invalid', message });
}

/** It says everything: it is no fork, or one that has been told what its source says. */
export function isWhole(declared: Declared): declared is Wanted {
  return declared.is === 'wanted' && declared.instance.spec.silent === undefined;
}

/** What it says by itself of Stopped holds whatever it says together with its source. */
function held({ uid, generation, instance }: Wanted, refused: DeclaredRefusal): Declared {
  const { state, silent } = instance.spec;
  const isToStop = state === 'Stopped' && silent?.includes('state') !== true;
  return { is: 'held', uid, generation, refused, ...(isToStop ? { isToStop } : {}) };
}

function circleText(forks: readonly Fork[]): string {
  const names = forks.map(({ key }) => key).join(', a fork of ');
  return `${names}, a fork of that again: one of them must start from an image`;
}

function bereftText({ key, source }: Fork): string {
  return `what ${key} has from ${source} is not there any more, or cannot be read (inherited.json beside its record): restore that file, or delete this Instance and fork again`;
}
