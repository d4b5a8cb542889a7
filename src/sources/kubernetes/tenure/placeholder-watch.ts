import { messageOf } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { nameOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { ApiServer } from '../api-server.ts';
import { Errands } from '../errands.ts';
import type { ErrandResult } from '../errands.ts';
import type { HeldKind } from '../held-kind.ts';
import { withoutSpec } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { LIST_WATCH_TIMING, listWatchOf } from '../list-watch.ts';
import type { ListWatchTiming } from '../list-watch.ts';
import { lookUp } from '../object-changes.ts';
import { isPlaceholderOf, podClaimsOf } from '../placement/placeholder-note.ts';
import { podSightOf } from '../placement/pod-sight.ts';
import type { PodSight } from '../placement/pod-sight.ts';
import { PLACEHOLDER_LABEL, POD_FINALIZER } from '../placement/placeholder-words.ts';
import { Reflector } from '../reflector.ts';

/** A placeholder Pod of this node; of its spec nothing is kept. */
export type NodePod = { readonly sight: PodSight; readonly object: KubernetesObject };

/**
 * The Pod that stands for an Instance on this node; `over`: it holds no room any more. `unknown`: there is one, and the
 * Instance that could say whether it is its own has not been seen yet.
 */
export type PodPlace = { readonly is: 'bound' | 'over'; readonly uid: string } | { readonly is: 'unknown' };

export type PlaceholderWatchParts = {
  readonly api: ApiServer;
  readonly nodeName: string;
  readonly log: Logger;
  /** Something changed with a Pod that stands for this Instance, whichever Instance has the name. */
  readonly onChange: (instance: InstanceKey) => void;
  readonly timing?: ListWatchTiming;
  readonly elsewhereMs?: number;
};

const PODS = '/api/v1/pods';
const ELSEWHERE_MS = 30_000;

/**
 * A Pod, as far as an agent changes one: its finalizer, through the status. Whoever may patch Pods may have any
 * image run in them; the metadata of a Pod can be written with its status, and nothing of its spec.
 */
export const POD: HeldKind = {
  pathOf: (key) => `/api/v1/namespaces/${namespaceOf(key)}/pods/${nameOf(key)}/status`,
  finalizer: POD_FINALIZER,
};

/**
 * The placeholder Pods that are bound to one node. One that the watch no longer shows is gone when the server says
 * so by name: a label that somebody took off ends no machine.
 */
export class PlaceholderWatch {
  readonly #parts: PlaceholderWatchParts;
  readonly #reflector: Reflector;
  /** By the key of the Instance, then by that of the Pod. */
  readonly #pods = new Map<InstanceKey, Map<InstanceKey, NodePod>>();
  readonly #checks: Errands<InstanceKey>;
  #isSynced = false;

  constructor(parts: PlaceholderWatchParts) {
    this.#parts = parts;
    this.#checks = new Errands(
      (pod) => this.#check(pod),
      (pod, error) => {
        parts.log.warn({ pod, what: 'look', message: messageOf(error) }, 'the API server refused');
      },
    );
    const selector = {
      labelSelector: `${PLACEHOLDER_LABEL}=true`,
      fieldSelector: `spec.nodeName=${parts.nodeName}`,
    };
    const source = listWatchOf(parts.api, { path: PODS, selector }, parts.timing ?? LIST_WATCH_TIMING);
    this.#reflector = new Reflector(source, {
      put: (object) => {
        this.#put(object);
      },
      gone: (pod, uid) => {
        if (this.#podOf(pod)?.sight.uid === uid) this.#checks.add(pod);
      },
      standing: (standing) => {
        if (standing.is === 'following') return;
        const { message } = standing;
        parts.log.warn({ message }, 'placeholder Pods cannot be followed: nothing is placed or evicted here');
      },
    });
  }

  /** Resolves when every Pod of this node is known, however long that takes. */
  async start(): Promise<void> {
    await this.#reflector.start();
    this.#isSynced = true;
  }

  close(): void {
    this.#reflector.close();
    this.#checks.close();
  }

  /** False: which Pods there are is not known yet. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  of(instance: InstanceKey): readonly NodePod[] {
    return [...(this.#pods.get(instance)?.values() ?? [])];
  }

  /**
   * The Pod that holds room here for this very Instance: bound to this node, made by placement, and neither deleted
   * nor ended.
   */
  boundFor(instance: KubernetesObject): NodePod | undefined {
    const claims = podClaimsOf(instance);
    return this.of(instance.key).find(
      ({ sight }) => sight.instance.uid === instance.uid && !isOver(sight) && isPlaceholderOf(claims, sight),
    );
  }

  /**
   * `instance`: as it is known; while it is not, what was moved stays where it is. A Pod that others made in the
   * likeness of its own is no place for it.
   */
  placeOf(key: InstanceKey, instance: KubernetesObject | undefined): PodPlace | undefined {
    if (instance === undefined && this.of(key).some(({ sight }) => !isOver(sight))) return { is: 'unknown' };
    const bound = instance && this.boundFor(instance);
    if (bound !== undefined) return { is: 'bound', uid: bound.sight.uid };
    const ending = this.of(key).find(({ sight }) => isOver(sight));
    return ending === undefined ? undefined : { is: 'over', uid: ending.sight.uid };
  }

  instances(): readonly InstanceKey[] {
    return [...this.#pods.keys()];
  }

  #put(object: KubernetesObject): void {
    const sight = podSightOf(object);
    if (sight?.binding.is !== 'bound' || sight.binding.node !== this.#parts.nodeName) return;
    const { key } = sight.instance;
    const pods = this.#pods.get(key) ?? new Map<InstanceKey, NodePod>();
    const before = pods.get(object.key);
    this.#pods.set(key, pods.set(object.key, { sight, object: withoutSpec(object) }));
    if (before === undefined || isOver(before.sight) !== isOver(sight) || before.sight.uid !== sight.uid)
      this.#parts.onChange(key);
  }

  async #check(pod: InstanceKey): Promise<ErrandResult> {
    const known = this.#podOf(pod);
    if (known === undefined) return 'done';
    const there = await lookUp(this.#parts.api, pod, POD);
    if (there?.uid === known.sight.uid) {
      this.#put(there);
      return { againMs: this.#parts.elsewhereMs ?? ELSEWHERE_MS };
    }
    this.#drop(known);
    return 'done';
  }

  #drop({ sight }: NodePod): void {
    const { key } = sight.instance;
    const pods = this.#pods.get(key);
    pods?.delete(sight.key);
    if (pods?.size === 0) this.#pods.delete(key);
    this.#parts.onChange(key);
  }

  #podOf(pod: InstanceKey): NodePod | undefined {
    for (const pods of this.#pods.values()) {
      const found = pods.get(pod);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** It holds no room any more: deleted, or ended by its kubelet. */
export function isOver({ isEnding, isOver }: PodSight): boolean {
  return isEnding || isOver;
}
