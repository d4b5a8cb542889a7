import type { InstanceKey } from '../../machine/ids.ts';
import type { AgentHost } from './agent-host.ts';
import type { ApiServer } from './api-server.ts';
import { claim, isClaimed, isForNode, isMarked, isStrangers, mayRunOn } from './claim.ts';
import { Errands } from './errands.ts';
import type { ErrandResult } from './errands.ts';
import { NODE_LABEL } from './instance-resource.ts';
import type { Known, KnownInstances } from './known-instances.ts';
import { isBeingDeleted, labelOf, withoutSpec } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import type { Sight } from './object-changes.ts';
import { claimByPod, isLetGo, KEPT, letLeave, placedBy } from './tenure/placed-instance.ts';

export type InstanceClaimsParts = {
  readonly api: ApiServer;
  readonly nodeName: string;
  /** This host, where it is to be noted. */
  readonly host?: AgentHost | undefined;
  readonly known: KnownInstances;
  /** The uid of the placeholder Pod that holds room here for this very Instance. */
  readonly podFor: (object: KubernetesObject) => string | undefined;
  /** It is ours, as the server has it now. */
  readonly onTaken: (object: KubernetesObject) => void;
  /** It is not, or not any more. */
  readonly onRefused: (key: InstanceKey) => void;
  readonly onTrouble: (key: InstanceKey, error: unknown) => void;
};

/** Takes Instances for this node, by their own word or by that of a placeholder Pod, and gives them up. */
export class InstanceClaims {
  readonly #parts: InstanceClaimsParts;
  readonly #errands: Errands<InstanceKey>;
  /** What no node has and whose spec names none: a Pod may bring it here. */
  readonly #unplaced = new Map<InstanceKey, KubernetesObject>();
  readonly #leaving = new Set<InstanceKey>();

  constructor(parts: InstanceClaimsParts) {
    this.#parts = parts;
    this.#errands = new Errands((key) => this.#claim(key), parts.onTrouble);
  }

  /** Takes it if it is to be ours; cheap and repeatable. */
  add(key: InstanceKey): void {
    this.#errands.add(key);
  }

  /** One that no node has. */
  seeUnplaced(object: KubernetesObject): void {
    this.#unplaced.set(object.key, withoutSpec(object));
    if (this.#parts.podFor(object) !== undefined) this.add(object.key);
  }

  noMoreUnplaced(key: InstanceKey): void {
    this.#unplaced.delete(key);
  }

  isDue(object: KubernetesObject): boolean {
    const { nodeName, host, podFor } = this.#parts;
    if (!isClaimed(object, nodeName)) return true;
    if (isBeingDeleted(object)) return false;
    if (!isMarked(object, host) && !isStrangers(object, host)) return true;
    const isNamed = isForNode(object, nodeName) || !mayRunOn(object, nodeName);
    const pod = isNamed ? undefined : podFor(object);
    return pod !== undefined && placedBy(object) !== pod;
  }

  /** It is being given up: that its label goes is our own doing. */
  isLeaving(key: InstanceKey): boolean {
    return this.#leaving.has(key);
  }

  /** Gives up one that is not deleted, and of which nothing is left here. Throws `transient`. */
  async letLeave({ object }: Known): Promise<void> {
    const { api, nodeName, known } = this.#parts;
    const { key, uid } = object;
    this.#leaving.add(key);
    try {
      await letLeave(api, object, nodeName);
      if (known.of(key)?.object.uid === uid) known.drop(key);
    } finally {
      this.#leaving.delete(key);
    }
    this.add(key);
  }

  close(): void {
    this.#errands.close();
  }

  async #claim(key: InstanceKey): Promise<ErrandResult> {
    const { api, nodeName, host, onTaken, onRefused } = this.#parts;
    const object = this.#parts.known.of(key)?.object ?? this.#unplaced.get(key);
    if (object === undefined || this.isLeaving(key)) return 'done';
    const by = this.#rightTo(object);
    if (by.is === 'nothing') return 'done';
    const after = await (by.is === 'its-word'
      ? claim(api, object, { name: nodeName, host })
      : claimByPod(api, object, { name: nodeName, host }, by.pod));
    if (isTaken(after, nodeName)) onTaken(after);
    else onRefused(key);
    return 'done';
  }

  /** One that names a node, this or another, is brought by no Pod. */
  #isByWord({ named, object }: Known): boolean {
    if (named === undefined) return false;
    return named === this.#parts.nodeName || placedBy(object) === undefined;
  }

  #rightTo(object: KubernetesObject): Right {
    if (isBeingDeleted(object)) return { is: 'nothing' };
    const known = this.#parts.known.of(object.key);
    if (known !== undefined && this.#isByWord(known)) return { is: 'its-word' };
    const pod = this.#parts.podFor(object) ?? placedBy(object);
    if (pod !== undefined) return { is: 'pod', pod };
    if (known === undefined) return { is: 'nothing' };
    // Its disk is here all the same: kept, but not run before it is placed here again.
    return isLetGo(object) ? { is: 'pod', pod: KEPT } : { is: 'its-word' };
  }
}

function isTaken(after: Sight, nodeName: string): after is KubernetesObject {
  return after !== undefined && isClaimed(after, nodeName) && labelOf(after, NODE_LABEL) === nodeName;
}

/** By what an Instance is taken. */
type Right =
  { readonly is: 'nothing' } | { readonly is: 'its-word' } | { readonly is: 'pod'; readonly pod: string };
