import { createHash } from 'node:crypto';
import { FINALIZER } from '../instance-resource.ts';

/** `true` on every placeholder Pod: what watches select by. */
export const PLACEHOLDER_LABEL = 'hypeman.dev/placeholder';

/** The name of the Instance: as an annotation whole, as a label cut to what a label may hold. */
export const INSTANCE_MARK = 'hypeman.dev/instance';
export const INSTANCE_UID_ANNOTATION = 'hypeman.dev/instance-uid';

/** What a placeholder asks of the scheduler, digested: one that asks for something else is replaced. */
export const DEMAND_ANNOTATION = 'hypeman.dev/demand';

/** Holds a placeholder until its node has stopped the machine. The node's agent takes it off. */
export const POD_FINALIZER = FINALIZER;

/** `true` on a Node while its agent is heard of: placeholders go nowhere else. */
export const READY_LABEL = 'hypeman.dev/ready';
export const KVM_LABEL = 'hypeman.dev/kvm';
/** And the hypervisor's name: `hypeman.dev/hypervisor-qemu`. */
export const HYPERVISOR_LABEL_PREFIX = 'hypeman.dev/hypervisor-';

/**
 * The Leases that agents renew, by the names of their Nodes, with what each can do as annotations. Nothing else is
 * there: whoever may write these may write no other.
 */
export const AGENT_LEASES = '/apis/coordination.k8s.io/v1/namespaces/hypeman-nodes/leases';
/** Of that Lease: names with commas between them. */
export const HYPERVISORS_ANNOTATION = 'hypeman.dev/hypervisors';
/** Of that Lease: `true` or `false`. */
export const KVM_ANNOTATION = 'hypeman.dev/kvm';

const LONGEST_STEM = 50;

/**
 * The one placeholder that an Instance may have: who makes a second meets the first. The uid is in it, so that
 * the placeholder of a deleted Instance does not stand for its successor.
 */
export function placeholderNameFor(instanceName: string, uid: string): string {
  const digest = createHash('sha256').update(uid).digest('hex').slice(0, 8);
  return `${instanceName.slice(0, LONGEST_STEM)}-hm-${digest}`;
}
