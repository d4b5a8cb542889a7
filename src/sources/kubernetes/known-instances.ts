import { problemText } from '../../api/problem.ts';
import type { Parser } from '../../api/parser.ts';
import { textAt, valueAt } from '../../api/raw.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { Declared } from '../source.ts';
import { isClaimed } from './claim.ts';
import { isBeingDeleted, isOlder, withoutSpec } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

export type Known = {
  /** As last seen; its spec is left out, for it holds values. */
  readonly object: KubernetesObject;
  readonly declared: Declared;
  /** The node that its spec names: no scheduler is asked. */
  readonly named?: string;
  /** This node has taken it: our finalizer is on it, or was until somebody took it off. */
  readonly isClaimed: boolean;
  /** What is allowed and most likely not meant. */
  readonly warnings: readonly string[];
};

/** What is known of the Instances of this node. An invalid one keeps the last good declaration. */
export class KnownInstances {
  readonly #parser: Parser;
  readonly #nodeName: string;
  readonly #known = new Map<InstanceKey, Known>();

  constructor(parser: Parser, nodeName: string) {
    this.#parser = parser;
    this.#nodeName = nodeName;
  }

  of(key: InstanceKey): Known | undefined {
    return this.#known.get(key);
  }

  keys(): readonly InstanceKey[] {
    return [...this.#known].filter(([, { isClaimed }]) => isClaimed).map(([key]) => key);
  }

  /** Takes in a sight of an object; undefined when this or a newer one is known already. */
  see(object: KubernetesObject): Known | undefined {
    const before = this.#known.get(object.key);
    // What is kept has lost its spec: read again, it would be found invalid.
    if (before?.object === object) return undefined;
    const isSame = before?.object.uid === object.uid;
    if (isSame && isOlder(object, before.object)) return undefined;
    const named = textAt(object.document, ['spec', 'nodeName']);
    const known: Known = {
      object: withoutSpec(object),
      ...this.#readIn(object, isSame ? before.declared : undefined),
      ...(named === undefined ? {} : { named }),
      isClaimed: isClaimed(object, this.#nodeName) || (isSame && before.isClaimed),
    };
    this.#known.set(object.key, known);
    return known;
  }

  /** It is there, but not for this node any more: what runs here is kept, nothing is begun, and nothing let go. */
  hold(key: InstanceKey, message: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    const { uid } = known.object;
    const generation = generationOf(known.object);
    const declared: Declared = { is: 'held', uid, generation, refused: { reason: 'SourceLost', message } };
    this.#known.set(key, { ...known, declared });
  }

  drop(key: InstanceKey): void {
    this.#known.delete(key);
  }

  #readIn(object: KubernetesObject, before: Declared | undefined): Pick<Known, 'declared' | 'warnings'> {
    if (isBeingDeleted(object)) return { declared: { is: 'gone' }, warnings: [] };
    const { uid, document } = object;
    const generation = generationOf(object);
    const parsed = this.#parser.instance(document, { source: 'kubernetes' });
    if (parsed.is === 'good') {
      const declared: Declared = { is: 'wanted', uid, generation, instance: parsed.instance };
      return { declared, warnings: parsed.warnings.map(problemText) };
    }
    const refused = { reason: 'Invalid', message: parsed.problems.map(problemText).join('\n') } as const;
    const declared: Declared =
      before?.is === 'wanted' ? { ...before, generation, refused } : { is: 'held', uid, generation, refused };
    return { declared, warnings: [] };
  }
}

function generationOf({ document }: KubernetesObject): number {
  return Number(valueAt(document, ['metadata', 'generation']) ?? 0);
}
