import { textAt } from '../../../api/raw.ts';
import { mayRunAt } from '../claim.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { placedBy } from '../tenure/placed-instance.ts';
import type { PodSight } from './pod-sight.ts';

/**
 * Of an Instance, `POD`: the uid of the placeholder that placement made for it. Whoever may create Pods can make one
 * that looks like a placeholder, on a node of his choice; this he cannot write.
 */
export const PLACEHOLDER_NOTE = 'hypeman.dev/placeholder-pod';

/** What an Instance says of its Pods. */
export type PodClaims = {
  /** Uid of the Pod that placement made last. */
  readonly noted?: string;
  /** Uid of the Pod by which its node took it. */
  readonly takenBy?: string;
  /** The node that may run it. */
  readonly holder?: string;
};

export function podClaimsOf(object: KubernetesObject): PodClaims {
  const [noted, takenBy, holder] = [
    textAt(object.document, ['metadata', 'annotations', PLACEHOLDER_NOTE]),
    placedBy(object),
    mayRunAt(object),
  ];
  return {
    ...(noted === undefined ? {} : { noted }),
    ...(takenBy === undefined ? {} : { takenBy }),
    ...(holder === undefined ? {} : { holder }),
  };
}

/**
 * Whether a Pod that says so is the placeholder of an Instance. Where nothing is noted (`kubectl replace` wiped it
 * off), one on the node that has the Instance is: it chooses no other node.
 */
export function isPlaceholderOf(
  { noted, takenBy, holder }: PodClaims,
  { uid, binding }: Pick<PodSight, 'uid' | 'binding'>,
): boolean {
  if (uid === noted || uid === takenBy) return true;
  return noted === undefined && holder !== undefined && binding.is === 'bound' && binding.node === holder;
}
