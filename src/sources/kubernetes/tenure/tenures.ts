import type { Instance } from '../../../api/instance.ts';
import { textAt } from '../../../api/raw.ts';
import type { InstanceStatus } from '../../../api/status.ts';
import { messageOf } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { keyOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { Declared } from '../../source.ts';
import { canonicalText } from '../../spec-text.ts';
import type { ApiServer } from '../api-server.ts';
import { release } from '../claim.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import type { HostInstance } from '../held-kind.ts';
import type { Known } from '../known-instances.ts';
import { finalizersOf, isBeingDeleted } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { lookUp } from '../object-changes.ts';
import { podClaimsOf } from '../placement/placeholder-note.ts';
import type { Room } from '../placement/placeholder-note.ts';
import { roomLacking } from './outgrown.ts';
import { keep, KEPT, placedBy } from './placed-instance.ts';
import { isOver, POD } from './placeholder-watch.ts';
import type { NodePod, PlaceholderWatch } from './placeholder-watch.ts';
import { declaredUnder, isAtRest, tenureOf } from './tenure.ts';
import type { Tenure } from './tenure.ts';

export type TenuresParts = {
  readonly api: ApiServer;
  readonly nodeName: string;
  readonly log: Logger;
  readonly pods: PlaceholderWatch;
  readonly onHost: () => readonly HostInstance[];
  readonly keys: () => readonly InstanceKey[];
  readonly knownOf: (key: InstanceKey) => Known | undefined;
  readonly lastStatus: (known: Known) => InstanceStatus | undefined;
  /** An Instance as it is after a change of ours. */
  readonly onSight: (object: KubernetesObject) => void;
  /** A pass must look again. */
  readonly onChange: (key: InstanceKey) => void;
};

/**
 * Holds each Instance to its placeholder Pod. One that lost it is brought to rest, or off this node; a Pod that was
 * deleted keeps our finalizer until then. Everything is derived from what the server has: an agent that is killed
 * between two steps is followed by one that takes the next.
 */
export class Tenures {
  readonly #parts: TenuresParts;
  /** Reported at rest by a pass that ended after the last change of its Pods. */
  readonly #rested = new Set<InstanceKey>();
  readonly #standbyUnavailable = new Set<InstanceKey>();
  /** Uids of forks that lost their Pod, and whose source is there. */
  readonly #remakable = new Set<string>();
  readonly #steps: Errands<InstanceKey>;
  #isBegun = false;

  constructor(parts: TenuresParts) {
    this.#parts = parts;
    this.#steps = new Errands(
      (key) => this.#step(key),
      (key, error) => {
        parts.log.warn({ instance: key, what: 'place', message: messageOf(error) }, 'the API server refused');
      },
    );
  }

  /** Every Instance and every Pod of this node is known. */
  begin(): void {
    this.#isBegun = true;
    for (const key of this.#parts.pods.instances()) this.#steps.add(key);
    // What was looked at before stayed as it was.
    for (const key of this.#parts.keys()) this.#parts.onChange(key);
  }

  close(): void {
    this.#steps.close();
  }

  /** `status`: as a pass saw it, when that is newer than what was last reported. */
  of(known: Known, status = this.#parts.lastStatus(known)): Tenure {
    const { pods, nodeName } = this.#parts;
    const { key, uid } = known.object;
    const pod = pods.boundFor(known.object);
    const room = pod && roomOf(known.object, pod);
    return tenureOf(known, {
      nodeName,
      ...(room === undefined ? {} : { room }),
      pods: pod !== undefined ? 'bound' : pods.isSynced ? 'none' : 'unknown',
      status,
      isStandbyUnavailable: this.#standbyUnavailable.has(key),
      isSourceThere: this.#remakable.has(uid),
    });
  }

  /** The Pod by which it is to be here; one that holds too little room brings nothing back that was put to rest. */
  podFor(object: KubernetesObject): string | undefined {
    const pod = this.#parts.pods.boundFor(object);
    if (pod === undefined || placedBy(object) !== KEPT) return pod?.sight.uid;
    const declared = this.#parts.knownOf(object.key)?.declared;
    const isTooSmall = declared !== undefined && roomLacking(declared, roomOf(object, pod)) !== undefined;
    return isTooSmall ? undefined : pod.sight.uid;
  }

  declared(known: Known): Declared {
    return declaredUnder(this.of(known), known.declared);
  }

  /** Something changed with the Pods of an Instance. */
  podsChanged(key: InstanceKey): void {
    // A pass that looked before may still start a machine.
    this.#rested.delete(key);
    this.#steps.add(key);
    this.#parts.onChange(key);
  }

  /** What a pass saw, in its own words; `before`: what was reported before it. */
  reported(known: Known, status: InstanceStatus, before: InstanceStatus | undefined): void {
    const { key, uid } = known.object;
    const tenure = this.of(known);
    // What a pass found may be what another is to act on.
    if (canonicalText(tenure) !== canonicalText(this.of(known, before))) this.#parts.onChange(key);
    if (tenure.is === 'placed') {
      this.#standbyUnavailable.delete(key);
      this.#remakable.delete(uid);
    }
    if (!isKept(tenure)) return;
    const rest = tenure.is === 'stopped' ? 'Stopped' : tenure.state;
    if (status.conditions.some(({ reason }) => reason === 'StandbyUnavailable') && rest === 'Standby') {
      this.#standbyUnavailable.add(key);
      this.#parts.onChange(key);
    }
    const isNothing = tenure.is === 'stopped' && !this.#isOnHost(key, uid);
    if (isNothing || isAtRest(status, generationOf(known), rest)) this.#rested.add(key);
    else this.#rested.delete(key);
    this.#steps.add(key);
  }

  /** Nothing of the Instance is on this node any more. */
  left(key: InstanceKey): void {
    this.#rested.delete(key);
    this.#standbyUnavailable.delete(key);
    this.#steps.add(key);
  }

  async #step(key: InstanceKey): Promise<ErrandResult> {
    if (!this.#isBegun) return 'done';
    const { api, pods, nodeName, onSight } = this.#parts;
    const known = this.#parts.knownOf(key);
    if (known !== undefined && (await this.#canBeMadeAnew(known))) {
      this.#remakable.add(known.object.uid);
      this.#parts.onChange(key);
      return 'done';
    }
    if (known !== undefined && this.#isToBeKept(known)) {
      const after = await keep(api, known.object, nodeName);
      if (after !== undefined) onSight(after);
    }
    for (const pod of pods.of(key)) if (this.#mayGo(key, pod)) await release(api, pod.object, POD);
    return 'done';
  }

  /** A fork that is to leave, once its source is known to be there: on this node or on another. */
  async #canBeMadeAnew(known: Known): Promise<boolean> {
    const { object, declared } = known;
    if (declared.is !== 'wanted' || this.of(known).is !== 'waiting') return false;
    const { forkFrom, evictionPolicy } = declared.instance.spec;
    const isDecided = placedBy(object) === KEPT || this.#remakable.has(object.uid);
    if (forkFrom === undefined || evictionPolicy !== 'Stop' || isDecided) return false;
    const source = await lookUp(this.#parts.api, keyOf(namespaceOf(object.key), forkFrom.instance));
    return source !== undefined && mayBeRemadeFrom(source, declared.instance);
  }

  /** Not one of which nobody knows what it is to be: its policy is heard when that is known. */
  #isToBeKept(known: Known): boolean {
    const isStopped = this.of(known).is === 'stopped';
    return !isStopped && this.#isKeptHere(known) && placedBy(known.object) !== KEPT;
  }

  #isKeptHere(known: Known): boolean {
    return isKept(this.of(known)) && this.#rested.has(known.object.key);
  }

  #mayGo(key: InstanceKey, { sight, object }: NodePod): boolean {
    if (!isOver(sight) || !finalizersOf(object).includes(POD.finalizer)) return false;
    const known = this.#parts.knownOf(key);
    const { uid } = sight.instance;
    if (known?.object.uid !== uid) return !this.#isOnHost(key, uid);
    if (this.#isKeptHere(known)) return true;
    const tenure = this.of(known);
    return (tenure.is === 'placed' || tenure.is === 'misplaced') && known.declared.is !== 'gone';
  }

  #isOnHost(key: InstanceKey, uid: string): boolean {
    return this.#parts.onHost().some((one) => one.key === key && one.uid === uid);
  }
}

function generationOf({ declared }: Known): number {
  return declared.is === 'gone' ? 0 : declared.generation;
}

/** What a Pod holds room for; undefined: that was not noted. */
function roomOf(instance: KubernetesObject, { sight }: NodePod): Room | undefined {
  const { noted, room } = podClaimsOf(instance);
  return noted === sight.uid ? room : undefined;
}

type Kept = Extract<Tenure, { is: 'parked' | 'waiting' | 'stopped' | 'outgrown' }>;

/** It is on this node without a Pod, or without one that is large enough. */
function isKept(tenure: Tenure): tenure is Kept {
  return ['parked', 'waiting', 'stopped', 'outgrown'].includes(tenure.is);
}

/** What a fork does not say of its eviction, its source may. */
function mayBeRemadeFrom(source: KubernetesObject, { spec: { silent } }: Instance): boolean {
  const inherited = textAt(source.document, ['spec', 'evictionPolicy']) ?? 'Stop';
  return !isBeingDeleted(source) && (silent?.includes('evictionPolicy') !== true || inherited === 'Stop');
}
