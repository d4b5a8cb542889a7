import type { AgentHost } from './agent-host.ts';
import { hostMarkOf, isStrangers, mayRunOn } from './claim.ts';
import { HOST_ANNOTATION, NODE_LABEL } from './instance-resource.ts';
import { isBeingDeleted, labelOf } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

/** What is wrong with the label, or the host, of an Instance of this node, if that leads away from here; and the way out. */
export function movedBy(
  object: KubernetesObject,
  { nodeName, host }: { readonly nodeName: string; readonly host?: AgentHost | undefined },
): string | undefined {
  // Deleted or not: what there is of it is not here, and its finalizer is for whoever can end that.
  if (isStrangers(object, host)) return strangerMessage(hostMarkOf(object) ?? '', nodeName);
  if (isBeingDeleted(object)) return undefined;
  const label = labelOf(object, NODE_LABEL);
  const isOurs = label === nodeName || (label === undefined && mayRunOn(object, nodeName));
  return isOurs ? undefined : movedMessage(label, nodeName);
}

function movedMessage(label: string | undefined, nodeName: string): string {
  const found = label === undefined ? 'is missing' : `is now ${label}`;
  return `the label ${NODE_LABEL} ${found}, but this instance has its disk on ${nodeName}: set it to ${nodeName} again, or delete the Instance`;
}

function strangerMessage(mark: string, nodeName: string): string {
  return (
    `another host was node ${nodeName} when it took this instance, and has its machine and its disk (in the state ` +
    `directory with the id ${mark.split(' ')[0] ?? ''}): give one of the two another node name; if that host is gone for good, take the ` +
    `annotation ${HOST_ANNOTATION} off, and the instance begins anew here, or goes if it is deleted`
  );
}
