import type { Condition } from '../../../api/status.ts';
import type { Demand } from './instance-sight.ts';
import type { PlacementWorld } from './placement-world.ts';
import type { PodSight } from './pod-sight.ts';

/** One change. Each is made under the uid and the version of what was seen, or not at all. */
export type PlacementAction =
  /** `node`: required. */
  | { readonly kind: 'create-placeholder'; readonly demand: Demand; readonly node?: string }
  /** `isForced`: the kubelet that would end its container is gone. */
  | { readonly kind: 'delete-placeholder'; readonly pod: PodSight; readonly isForced: boolean }
  /** One that placement seems not to have made: the server is asked once more whether it did. */
  | { readonly kind: 'delete-stranger'; readonly pod: PodSight }
  /** Takes our finalizer off: nothing runs behind it. */
  | { readonly kind: 'release-placeholder'; readonly pod: PodSight }
  /** Takes holder, label and finalizer off the Instance, and what was told of it there: the node runs nothing. */
  | { readonly kind: 'let-go'; readonly node: string };

/** What the user is told while no agent has the Instance. */
export type Saying = {
  readonly is: 'waiting' | 'stalled';
  readonly reason: string;
  readonly message: string;
  readonly scheduled: Pick<Condition, 'status' | 'reason' | 'message'>;
};

/** The answer to a rung that is not met. */
export type Step = {
  readonly actions: readonly PlacementAction[];
  /** Absent: the status stays as it is. */
  readonly says?: Saying;
  /** The holder is not heard of, and this is what is known of it. */
  readonly unheard?: { readonly reason: string; readonly message: string };
  /** Look again after so long, whatever happens. */
  readonly againMs?: number;
};

/** One condition that must hold; undefined: it does. */
export type Rung = (world: PlacementWorld) => Step | undefined;

export const REST: Step = { actions: [] };

/** Not placed yet, for a reason that the scheduler has not to do with. */
export function waiting(reason: string, message: string, more: Partial<Step> = {}): Step {
  const scheduled = { status: 'False', reason, message } as const;
  return { actions: [], says: { is: 'waiting', reason, message, scheduled }, ...more };
}

export function stalled(reason: string, message: string, more: Partial<Step> = {}): Step {
  const scheduled = { status: 'False', reason, message } as const;
  return { actions: [], says: { is: 'stalled', reason, message, scheduled }, ...more };
}
