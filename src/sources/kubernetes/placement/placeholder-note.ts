import { textAt } from '../../../api/raw.ts';
import { holderOf, mayRunAt } from '../claim.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { placedBy } from '../tenure/placed-instance.ts';
import type { PodSight } from './pod-sight.ts';

/**
 * Of an Instance, `POD VCPUS BYTES`: the uid of the placeholder that placement made for it, and how large a machine
 * that holds room for. Whoever may create Pods can make one that looks like a placeholder, on a node of his choice;
 * this he cannot write.
 */
export const PLACEHOLDER_NOTE = 'hypeman.dev/placeholder-pod';

/** What a machine may take of a node. */
export type Room = {
  readonly vcpus: number;
  /** With what may be added while it runs. */
  readonly memoryBytes: number;
};

export function covers(room: Room, { vcpus, memoryBytes }: Room): boolean {
  return room.vcpus >= vcpus && room.memoryBytes >= memoryBytes;
}

/** What an Instance says of its Pods. */
export type PodClaims = {
  /** Uid of the Pod that placement made last. */
  readonly noted?: string;
  /** What that one holds room for. */
  readonly room?: Room;
  /** Uid of the Pod by which its node took it. */
  readonly takenBy?: string;
  /** The node that may run it. */
  readonly holder?: string;
  /** Its node took it by its own word, and by no Pod: none can be its placeholder before one is noted. */
  readonly isByWord?: boolean;
};

export function podClaimsOf(object: KubernetesObject): PodClaims {
  const note = textAt(object.document, ['metadata', 'annotations', PLACEHOLDER_NOTE]);
  const [takenBy, holder] = [placedBy(object), mayRunAt(object)];
  return {
    ...(note === undefined ? {} : notedIn(note)),
    ...(takenBy === undefined ? {} : { takenBy }),
    ...(holder === undefined ? {} : { holder }),
    ...(takenBy === undefined && holderOf(object) !== undefined ? { isByWord: true } : {}),
  };
}

export function noteText(pod: string, { vcpus, memoryBytes }: Room): string {
  return `${pod} ${vcpus} ${memoryBytes}`;
}

function notedIn(note: string): Pick<PodClaims, 'noted' | 'room'> {
  const [noted = '', vcpus, memoryBytes] = note.split(' ');
  const room = { vcpus: Number(vcpus), memoryBytes: Number(memoryBytes) };
  return { noted, ...(room.vcpus > 0 && room.memoryBytes > 0 ? { room } : {}) };
}

/**
 * Whether a Pod that says so is the placeholder of an Instance. Where nothing is noted (`kubectl replace` wiped it
 * off), one on the node that has the Instance is: it chooses no other node.
 */
export function isPlaceholderOf(
  { noted, takenBy, holder, isByWord = false }: PodClaims,
  { uid, binding }: Pick<PodSight, 'uid' | 'binding'>,
): boolean {
  if (uid === noted || uid === takenBy) return true;
  if (isByWord) return false;
  return noted === undefined && holder !== undefined && binding.is === 'bound' && binding.node === holder;
}
