import { textAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import { hostMark, isStrangersMark } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import type { ApiServer } from './api-server.ts';
import { INSTANCE } from './held-kind.ts';
import type { HeldKind } from './held-kind.ts';
import { HOLDER_ANNOTATION, HOST_ANNOTATION, NODE_LABEL } from './instance-resource.ts';
import { finalizersOf, isBeingDeleted, labelOf } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { changeMetadata } from './object-changes.ts';
import type { Sight } from './object-changes.ts';

/** Who takes an object; `host`: where that is to be noted. */
export type NodeSelf = { readonly name: string; readonly host?: AgentHost | undefined };

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

/** The host of the node that took it, by its mark; undefined: that was not noted. */
export function hostMarkOf(object: KubernetesObject): string | undefined {
  if (holderOf(object) === undefined) return undefined;
  return textAt(object.document, ['metadata', 'annotations', HOST_ANNOTATION]);
}

/** The host that took it had the node's name, and is not this one. */
export function isStrangers(object: KubernetesObject, host: AgentHost | undefined): boolean {
  const mark = hostMarkOf(object);
  return host !== undefined && mark !== undefined && isStrangersMark(mark, host);
}

/** Nothing is to be noted, or it is. */
export function isMarked(object: KubernetesObject, host: AgentHost | undefined): boolean {
  return host === undefined || hostMarkOf(object) === hostMark(host);
}

/** What is noted with the holder, if anything. */
export function markFor(host: AgentHost | undefined): Mapping {
  return host === undefined ? {} : { [HOST_ANNOTATION]: hostMark(host) };
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
  self: NodeSelf,
  kind: HeldKind = INSTANCE,
): Promise<Sight> {
  const { name: nodeName, host } = self;
  const { finalizer } = kind;
  const change = (current: KubernetesObject): Mapping | undefined => {
    if (!mayTake(current, self, kind) || isTaken(current, self, kind)) return undefined;
    return {
      labels: { [NODE_LABEL]: nodeName },
      annotations: { [HOLDER_ANNOTATION]: `${nodeName} ${current.uid}`, ...markFor(host) },
      finalizers: [...finalizersOf(current).filter((name) => name !== finalizer), finalizer],
    };
  };
  return changeMetadata(api, object, change, kind);
}

/** Nobody else has it, or is to have it. */
export function mayTake(object: KubernetesObject, { name, host }: NodeSelf, kind = INSTANCE): boolean {
  const node = labelOf(object, NODE_LABEL) ?? name;
  const holder = (kind === INSTANCE ? mayRunAt(object) : holderOf(object)) ?? name;
  return node === name && holder === name && !isBeingDeleted(object) && !isStrangers(object, host);
}

/** All that a claim writes is there. */
export function isTaken(object: KubernetesObject, { name, host }: NodeSelf, kind = INSTANCE): boolean {
  return isMarked(object, host) && isClaimed(object, name, kind) && labelOf(object, NODE_LABEL) === name;
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
