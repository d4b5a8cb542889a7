import { isMapping, listOf, textAt, valueAt } from '../../../api/raw.ts';
import { keyOf, nameOf, namespaceOf } from '../../../machine/ids.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { finalizersOf, isBeingDeleted } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import {
  DEMAND_ANNOTATION,
  INSTANCE_MARK,
  INSTANCE_UID_ANNOTATION,
  placeholderNameFor,
} from './placeholder-words.ts';

/** One placeholder. */
export type PodSight = {
  /** `namespace/name` of the Pod. */
  readonly key: InstanceKey;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly instance: { readonly key: InstanceKey; readonly uid: string };
  readonly createdAt: number;
  /** Somebody deleted it. */
  readonly isEnding: boolean;
  readonly finalizers: readonly string[];
  /** It ended by itself, and so holds no room: a kubelet refused or evicted it. */
  readonly isOver: boolean;
  readonly demand?: string;
  readonly binding: Binding;
};

export type Binding =
  | { readonly is: 'bound'; readonly node: string; readonly since: number }
  /** With the scheduler's own words, when it has spoken. */
  | { readonly is: 'unbound'; readonly reason?: string; readonly message?: string };

/** Undefined for a Pod that bears our label and is no placeholder of ours. */
export function podSightOf(object: KubernetesObject): PodSight | undefined {
  const { key, uid, resourceVersion, document } = object;
  const annotation = (name: string): string | undefined =>
    textAt(document, ['metadata', 'annotations', name]);
  const [name, instanceUid, demand] = [INSTANCE_MARK, INSTANCE_UID_ANNOTATION, DEMAND_ANNOTATION].map(
    annotation,
  );
  if (name === undefined || instanceUid === undefined) return undefined;
  if (placeholderNameFor(name, instanceUid) !== nameOf(key)) return undefined;
  return {
    key,
    uid,
    resourceVersion,
    instance: { key: keyOf(namespaceOf(key), name), uid: instanceUid },
    createdAt: Date.parse(textAt(document, ['metadata', 'creationTimestamp']) ?? ''),
    isEnding: isBeingDeleted(object),
    finalizers: finalizersOf(object),
    isOver: ['Failed', 'Succeeded'].includes(textAt(document, ['status', 'phase']) ?? ''),
    ...(demand === undefined ? {} : { demand }),
    binding: bindingOf(object),
  };
}

function bindingOf({ document }: KubernetesObject): Binding {
  const scheduled = listOf(valueAt(document, ['status', 'conditions'])).find(
    (condition) => textAt(condition, ['type']) === 'PodScheduled',
  );
  const node = textAt(document, ['spec', 'nodeName']) ?? '';
  if (node !== '') {
    const since = Date.parse(textAt(scheduled, ['lastTransitionTime']) ?? '');
    return { is: 'bound', node, since: Number.isNaN(since) ? 0 : since };
  }
  if (!isMapping(scheduled)) return { is: 'unbound' };
  const [reason, message] = [textAt(scheduled, ['reason']), textAt(scheduled, ['message'])];
  return {
    is: 'unbound',
    ...(reason === undefined || reason === '' ? {} : { reason }),
    ...(message === undefined || message === '' ? {} : { message }),
  };
}
