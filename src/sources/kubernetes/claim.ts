import { textAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import type { ApiServer } from './api-server.ts';
import { FINALIZER, HOLDER_ANNOTATION, NODE_LABEL } from './instance-resource.ts';
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

/** Our finalizer is on it, and it holds the instance for this node. */
export function isClaimed(object: KubernetesObject, nodeName: string): boolean {
  const holder = holderOf(object) ?? (isBeingDeleted(object) ? labelOf(object, NODE_LABEL) : undefined);
  return finalizersOf(object).includes(FINALIZER) && holder === nodeName;
}

/**
 * Takes an Instance for a node: our finalizer on it before anything of it is made, the node's label, and who
 * holds it, in one write. One that another node has, or that is being deleted, is left as it is.
 */
export async function claim(api: ApiServer, object: KubernetesObject, nodeName: string): Promise<Sight> {
  return changeMetadata(api, object, (current): Mapping | undefined => {
    const node = labelOf(current, NODE_LABEL) ?? nodeName;
    const holder = holderOf(current) ?? nodeName;
    if (node !== nodeName || holder !== nodeName || isBeingDeleted(current)) return undefined;
    if (isClaimed(current, nodeName) && labelOf(current, NODE_LABEL) === nodeName) return undefined;
    return {
      labels: { [NODE_LABEL]: nodeName },
      annotations: { [HOLDER_ANNOTATION]: `${nodeName} ${current.uid}` },
      finalizers: [...finalizersOf(current).filter((name) => name !== FINALIZER), FINALIZER],
    };
  });
}

/** Lets a deleted Instance go: nothing of it is left here. */
export async function release(api: ApiServer, object: KubernetesObject): Promise<void> {
  await changeMetadata(api, object, (current) =>
    finalizersOf(current).includes(FINALIZER)
      ? { finalizers: finalizersOf(current).filter((name) => name !== FINALIZER) }
      : undefined,
  );
}
