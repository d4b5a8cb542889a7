import { problemText } from '../../../api/problem.ts';
import type { Parser } from '../../../api/parser.ts';
import type { Volume } from '../../../api/volume.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { DeclaredRefusal, DeclaredVolume } from '../../source.ts';
import { holderOf, isClaimed } from '../claim.ts';
import { VOLUME } from '../held-kind.ts';
import { NODE_LABEL } from '../instance-resource.ts';
import { isBeingDeleted, isOlder, labelOf, withoutSpec } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';

export type KnownVolume = {
  readonly object: KubernetesObject;
  /** Its spec, whoever has it. */
  readonly said: Said;
  /** This node has taken it: our finalizer is on it, or was until somebody took it off. */
  readonly isClaimed: boolean;
  /** When it was first seen here, in ms since the epoch. */
  readonly since: number;
};

/** An invalid spec keeps the last good one. */
type Said =
  | { readonly is: 'wanted'; readonly volume: Volume; readonly refused?: DeclaredRefusal }
  | { readonly is: 'held'; readonly refused: DeclaredRefusal };

/** What is known of the Volumes that are this node's, and of those that nobody or another node has. */
export class KnownVolumes {
  readonly #parser: Parser;
  readonly #nodeName: string;
  readonly #known = new Map<InstanceKey, KnownVolume>();

  constructor(parser: Parser, nodeName: string) {
    this.#parser = parser;
    this.#nodeName = nodeName;
  }

  of(key: InstanceKey): KnownVolume | undefined {
    return this.#known.get(key);
  }

  /** Those that this node has. */
  claimed(): readonly InstanceKey[] {
    return [...this.#known].filter(([, { isClaimed }]) => isClaimed).map(([key]) => key);
  }

  /** The node that has it, or is named by its label while nobody has it. */
  nodeOf({ object }: KnownVolume): string | undefined {
    return holderOf(object) ?? labelOf(object, NODE_LABEL);
  }

  /** Takes in a sight of an object, unless this or a newer one is known already. */
  see(object: KubernetesObject): void {
    const last = this.#known.get(object.key);
    const before = last?.object.uid === object.uid ? last : undefined;
    // What is kept has lost its spec: read again, it would be found invalid.
    if (before !== undefined && (before.object === object || isOlder(object, before.object))) return;
    this.#known.set(object.key, {
      object: withoutSpec(object),
      since: before?.since ?? Date.now(),
      said: this.#read(object, before?.said),
      isClaimed: isClaimed(object, this.#nodeName, VOLUME) || this.#wasClaimed(object, before),
    });
  }

  /** Somebody took our mark off, and no other node has put its own there. */
  #wasClaimed(object: KubernetesObject, before: KnownVolume | undefined): boolean {
    return before?.isClaimed === true && (holderOf(object) ?? this.#nodeName) === this.#nodeName;
  }

  drop(key: InstanceKey): void {
    this.#known.delete(key);
  }

  /** Undefined: nothing of that name is known. */
  declared(key: InstanceKey): DeclaredVolume | undefined {
    const known = this.#known.get(key);
    if (known === undefined) return undefined;
    const { object, said } = known;
    if (!known.isClaimed) return this.#barred(known);
    if (isBeingDeleted(object))
      return {
        is: 'gone',
        ...(said.is === 'wanted' ? { reclaimPolicy: said.volume.spec.reclaimPolicy } : {}),
      };
    const label = labelOf(object, NODE_LABEL);
    if (label === this.#nodeName) return said;
    return { ...said, refused: { reason: 'SourceLost', message: movedMessage(label, this.#nodeName) } };
  }

  #barred(known: KnownVolume): DeclaredVolume {
    const { key } = known.object;
    const node = this.nodeOf(known);
    if (node !== undefined && node !== this.#nodeName)
      return { is: 'barred', reason: 'VolumeElsewhere', message: elsewhereMessage(key, node) };
    if (isBeingDeleted(known.object)) return { is: 'gone' };
    const message = `this node has not been able to take the volume ${key} yet`;
    return { is: 'barred', reason: 'VolumeUnclaimed', message };
  }

  #read(object: KubernetesObject, before: Said | undefined): Said {
    const parsed = this.#parser.volume(object.document, { source: 'kubernetes' });
    if (parsed.is === 'good') return { is: 'wanted', volume: parsed.volume };
    const refused = { reason: 'Invalid', message: parsed.problems.map(problemText).join('\n') } as const;
    return before?.is === 'wanted' ? { ...before, refused } : { is: 'held', refused };
  }
}

function elsewhereMessage(key: InstanceKey, node: string): string {
  return `the disk of the volume ${key} is on the node ${node}, and a disk does not move: run the instance there, or mount another volume`;
}

function movedMessage(label: string | undefined, nodeName: string): string {
  const found = label === undefined ? 'is missing' : `is now ${label}`;
  return `the label ${NODE_LABEL} ${found}, but this volume has its disk on ${nodeName}: set it to ${nodeName} again`;
}
