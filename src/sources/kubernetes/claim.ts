import { textAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import type { ApiServer } from './api-server.ts';
import { INSTANCE } from './held-kind.ts';
import type { HeldKind } from './held-kind.ts';
import { HOLDER_ANNOTATION, NODE_LABEL } from './instance-resource.ts';
import { finalizersOf, isBeingDeleted, labelOf } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { changeMetadata } from './object-changes.ts';
import type { Sight } from './object-changes.ts';

/** Whether an Instance that no node has yet is for this node. */
export function isForNode(object: KubernetesObject, nodeName: string): boolean {
  return textAt(object.document, ['spec', 'nodeName']) === nodeName;
}

/** Whether its own words allow this node. */
export function mayRunOn(object: KubernetesObject, nodeName: string): boolean {
  const named = textAt(object.document, ['spec', 'nodeName']);
  return named === undefined || named === nodeName;
}

/** The node that took it and may run it. The mark of another object, copied with a manifest, says nothing. */
export function holderOf({ document, uid }: KubernetesObject): string | undefined {
  const [node, ofUid] = (textAt(document, ['metadata', 'annotations', HOLDER_ANNOTATION]) ?? '').split(' ');
  return ofUid === uid ? node : undefined;
}

/**
 * The node that may run it: whoever replaces an object (`kubectl replace`) wipes marks off that are not in his file,
 * and what its agent told last stays. A node that gives one up, or from which one is taken, takes that back.
 */
export function mayRunAt(object: KubernetesObject): string | undefined {
  return holderOf(object) ?? textAt(object.document, ['status', 'nodeName']);
}

/** Our finalizer is on it, and it is held for this node. */
export function isClaimed(object: KubernetesObject, nodeName: string, kind: HeldKind = INSTANCE): boolean {
  const holder = holderOf(object) ?? (isBeingDeleted(object) ? labelOf(object, NODE_LABEL) : undefined);
  return finalizersOf(object).includes(kind.finalizer) && holder === nodeName;
}

/**
 * Takes an object for a node: our finalizer on it before anything of it is made, the node's label, and who
 * holds it, in one write. One that another node has, or that is being deleted, is left as it is.
 */
export async function claim(
  api: ApiServer,
  object: KubernetesObject,
  nodeName: string,
  kind: HeldKind = INSTANCE,
): Promise<Sight> {
  const { finalizer } = kind;
  const change = (current: KubernetesObject): Mapping | undefined => {
    const node = labelOf(current, NODE_LABEL) ?? nodeName;
    const holder = (kind === INSTANCE ? mayRunAt(current) : holderOf(current)) ?? nodeName;
    if (node !== nodeName || holder !== nodeName || isBeingDeleted(current)) return undefined;
    if (isClaimed(current, nodeName, kind) && labelOf(current, NODE_LABEL) === nodeName) return undefined;
    return {
      labels: { [NODE_LABEL]: nodeName },
      annotations: { [HOLDER_ANNOTATION]: `${nodeName} ${current.uid}` },
      finalizers: [...finalizersOf(current).filter((name) => name !== finalizer), finalizer],
    };
  };
  return changeMetadata(api, object, change, kind);
}

/** Lets a deleted object go: nothing of it is left here, or what is left is to stay. */
export async function release(
  api: ApiServer,
  object: KubernetesObject,
  kind: HeldKind = INSTANCE,
): Promise<void> {
  const { finalizer } = kind;
  const change = (current: KubernetesObject): Mapping | undefined =>
    finalizersOf(current).includes(finalizer)
      ? { finalizers: finalizersOf(current).filter((name) => name !== finalizer) }
      : undefined;
  await changeMetadata(api, object, change, kind);
}
