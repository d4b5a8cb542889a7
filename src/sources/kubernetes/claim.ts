import { textAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import type { ApiServer } from './api-server.ts';
import { FINALIZER, NODE_LABEL } from './instance-resource.ts';
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

/** The node that runs it, or did last, by its own word. */
export function runsOn(object: KubernetesObject): string | undefined {
  return textAt(object.document, ['status', 'nodeName']);
}

export function isClaimed(object: KubernetesObject): boolean {
  return finalizersOf(object).includes(FINALIZER);
}

/**
 * Takes an Instance for a node: our finalizer on it, before anything of it is made, and the node's label, in
 * one write. One that another node took meanwhile, or that is being deleted, is left as it is.
 */
export async function claim(api: ApiServer, object: KubernetesObject, nodeName: string): Promise<Sight> {
  return changeMetadata(api, object, (current): Mapping | undefined => {
    const node = labelOf(current, NODE_LABEL);
    const isTaken = node !== undefined && node !== nodeName;
    if (isTaken || isBeingDeleted(current) || (isClaimed(current) && node === nodeName)) return undefined;
    return {
      labels: { [NODE_LABEL]: nodeName },
      finalizers: [...finalizersOf(current).filter((name) => name !== FINALIZER), FINALIZER],
    };
  });
}

/** Lets a deleted Instance go: nothing of it is left here. */
export async function release(api: ApiServer, object: KubernetesObject): Promise<void> {
  await changeMetadata(api, object, (current) =>
    isClaimed(current)
      ? { finalizers: finalizersOf(current).filter((name) => name !== FINALIZER) }
      : undefined,
  );
}
