import type { InstanceStatus } from '../../../api/status.ts';
import { messageOf } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { Declared } from '../../source.ts';
import type { ApiServer } from '../api-server.ts';
import { release } from '../claim.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import type { Known } from '../known-instances.ts';
import { finalizersOf } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
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
  readonly onHost: () => readonly InstanceKey[];
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

  of(known: Known): Tenure {
    const { pods, lastStatus } = this.#parts;
    const { key } = known.object;
    const isBound = pods.boundFor(known.object) !== undefined;
    return tenureOf(known, {
      pods: isBound ? 'bound' : pods.isSynced ? 'none' : 'unknown',
      status: lastStatus(known),
      isStandbyUnavailable: this.#standbyUnavailable.has(key),
    });
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

  /** What a pass saw, in its own words. */
  reported(known: Known, status: InstanceStatus): void {
    const { key } = known.object;
    const tenure = this.of(known);
    if (tenure.is === 'placed') this.#standbyUnavailable.delete(key);
    if (tenure.is !== 'parked' && tenure.is !== 'waiting') return;
    if (
      status.conditions.some(({ reason }) => reason === 'StandbyUnavailable') &&
      tenure.state === 'Standby'
    ) {
      this.#standbyUnavailable.add(key);
      this.#parts.onChange(key);
    }
    if (isAtRest(status, generationOf(known), tenure.state)) this.#rested.add(key);
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
    if (known !== undefined && this.#isKeptHere(known) && placedBy(known.object) !== KEPT) {
      const after = await keep(api, known.object, nodeName);
      if (after !== undefined) onSight(after);
    }
    for (const pod of pods.of(key)) if (this.#mayGo(key, pod)) await release(api, pod.object, POD);
    return 'done';
  }

  #isKeptHere(known: Known): boolean {
    const tenure = this.of(known);
    const isKept = tenure.is === 'parked' || tenure.is === 'waiting';
    return isKept && this.#rested.has(known.object.key);
  }

  #mayGo(key: InstanceKey, { sight, object }: NodePod): boolean {
    if (!isOver(sight) || !finalizersOf(object).includes(POD.finalizer)) return false;
    const known = this.#parts.knownOf(key);
    if (known === undefined) return !this.#parts.onHost().includes(key);
    if (known.object.uid !== sight.instance.uid || this.#isKeptHere(known)) return true;
    return this.of(known).is === 'placed' && known.declared.is !== 'gone';
  }
}

function generationOf({ declared }: Known): number {
  return declared.is === 'gone' ? 0 : declared.generation;
}
