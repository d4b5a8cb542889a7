import { textAt } from '../../../api/raw.ts';
import type { ApiServer } from '../api-server.ts';
import { holderOf, isTaken, markFor, mayTake } from '../claim.ts';
import type { NodeSelf } from '../claim.ts';
import { INSTANCE } from '../held-kind.ts';
import { FINALIZER, HOLDER_ANNOTATION, HOST_ANNOTATION, NODE_LABEL } from '../instance-resource.ts';
import { finalizersOf, labelOf } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { changeMetadata } from '../object-changes.ts';
import type { Sight } from '../object-changes.ts';

/** In place of a Pod's uid: it came to rest without a Pod, and is kept on its node until it has one again. */
export const KEPT = 'kept';

/** The uid of the Pod by which its node took it, or `kept`; undefined: its node needed none. */
export function placedBy(object: KubernetesObject): string | undefined {
  const text = textAt(object.document, ['metadata', 'annotations', HOLDER_ANNOTATION]) ?? '';
  const [, , pod] = text.split(' ');
  return holderOf(object) === undefined ? undefined : pod;
}

/** No node has it or is to have it, and nothing of one is on it: somebody took it off its node. */
export function isLetGo(object: KubernetesObject): boolean {
  return holderOf(object) === undefined && labelOf(object, NODE_LABEL) === undefined;
}

/** Takes an Instance for a node by a Pod of it that is bound there, as `claim` does; and notes another Pod of it. */
export async function claimByPod(
  api: ApiServer,
  object: KubernetesObject,
  self: NodeSelf,
  pod: string,
): Promise<Sight> {
  const { name: nodeName, host } = self;
  return changeMetadata(api, object, (current) => {
    if (!mayTake(current, self)) return undefined;
    if (isTaken(current, self) && placedBy(current) === pod) return undefined;
    return {
      labels: { [NODE_LABEL]: nodeName },
      annotations: { [HOLDER_ANNOTATION]: holderText(nodeName, current, pod), ...markFor(host) },
      finalizers: [...withoutOurs(current), FINALIZER],
    };
  });
}

/** Notes that it is kept here without a Pod. One that another node has is left as it is. */
export async function keep(api: ApiServer, object: KubernetesObject, nodeName: string): Promise<Sight> {
  return changeMetadata(api, object, (current) => {
    if (holderOf(current) !== nodeName || placedBy(current) === KEPT) return undefined;
    return { annotations: { [HOLDER_ANNOTATION]: holderText(nodeName, current, KEPT) } };
  });
}

/** Gives up an Instance that is not deleted: nothing of it is left here, and any node may take it. */
export async function letLeave(api: ApiServer, object: KubernetesObject, nodeName: string): Promise<Sight> {
  return changeMetadata(api, object, (current) => {
    if (holderOf(current) !== nodeName) return undefined;
    return {
      labels: { [NODE_LABEL]: null },
      annotations: { [HOLDER_ANNOTATION]: null, [HOST_ANNOTATION]: null },
      finalizers: withoutOurs(current),
    };
  });
}

function holderText(nodeName: string, { uid }: KubernetesObject, pod: string): string {
  return `${nodeName} ${uid} ${pod}`;
}

function withoutOurs(object: KubernetesObject): readonly string[] {
  return finalizersOf(object).filter((name) => name !== INSTANCE.finalizer);
}
