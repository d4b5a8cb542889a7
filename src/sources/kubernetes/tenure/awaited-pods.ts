import type { Logger } from '../../../log.ts';
import { keyOf, nameOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { ApiServer } from '../api-server.ts';
import { NODE_LABEL } from '../instance-resource.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { LIST_WATCH_TIMING, listWatchOf } from '../list-watch.ts';
import type { ListWatchTiming } from '../list-watch.ts';
import { isPlaceholderOf, podClaimsOf } from '../placement/placeholder-note.ts';
import { PLACEHOLDER_LABEL, placeholderNameFor } from '../placement/placeholder-words.ts';
import { podSightOf } from '../placement/pod-sight.ts';
import type { PodSight } from '../placement/pod-sight.ts';
import { Reflector } from '../reflector.ts';

/** What a scheduler says of a Pod that it has found no room for. */
export type SchedulerWords = { readonly reason: string; readonly message: string };

export type AwaitedPodsParts = {
  readonly api: ApiServer;
  readonly nodeName: string;
  readonly log: Logger;
  /** There are other words about the Pod that an Instance waits for. */
  readonly onChange: (instance: InstanceKey) => void;
  readonly timing?: ListWatchTiming;
};

/** Longest value of a label: Pods for a node with a longer name do not bear it. */
const LABEL_LENGTH = 63;

/** The placeholder Pods that can be bound to this node alone, and are not yet. */
export class AwaitedPods {
  readonly #reflector: Reflector | undefined;
  readonly #pods = new Map<InstanceKey, PodSight>();

  constructor({ api, nodeName, log, onChange, timing }: AwaitedPodsParts) {
    if (nodeName.length > LABEL_LENGTH) return;
    const selector = {
      labelSelector: `${PLACEHOLDER_LABEL}=true,${NODE_LABEL}=${nodeName}`,
      fieldSelector: 'spec.nodeName=',
    };
    const source = listWatchOf(api, { path: '/api/v1/pods', selector }, timing ?? LIST_WATCH_TIMING);
    const drop = (pod: InstanceKey): void => {
      const known = this.#pods.get(pod);
      this.#pods.delete(pod);
      if (known !== undefined) onChange(known.instance.key);
    };
    this.#reflector = new Reflector(source, {
      put: (object) => {
        const sight = podSightOf(object);
        if (sight?.binding.is !== 'unbound') {
          drop(object.key);
          return;
        }
        this.#pods.set(object.key, sight);
        onChange(sight.instance.key);
      },
      gone: drop,
      standing: (standing) => {
        if (standing.is === 'lost')
          log.warn(
            { message: standing.message },
            'what the scheduler says of Pods for this node is not known',
          );
      },
    });
  }

  /** Does not wait: they are words, and come when they come. */
  start(): void {
    void this.#reflector?.start();
  }

  close(): void {
    this.#reflector?.close();
  }

  wordsFor(instance: KubernetesObject): SchedulerWords | undefined {
    const { key, uid } = instance;
    const pod = this.#pods.get(keyOf(namespaceOf(key), placeholderNameFor(nameOf(key), uid)));
    if (pod?.binding.is !== 'unbound' || !isPlaceholderOf(podClaimsOf(instance), pod)) return undefined;
    const { reason, message } = pod.binding;
    return reason === undefined || message === undefined ? undefined : { reason, message };
  }
}
