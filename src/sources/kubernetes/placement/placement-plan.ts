import { canonicalText } from '../../spec-text.ts';
import { holderExists, holderHeard } from './holder-rungs.ts';
import {
  askedAsDeclared,
  besideItsDisk,
  deletionAwaited,
  endingGone,
  made,
  nodeChosen,
  roomEnough,
  roomNeeded,
  standing,
  understood,
} from './placeholder-rungs.ts';
import { statusUnheard, statusWaiting } from './placement-status.ts';
import type { PlacementStatus } from './placement-status.ts';
import { REST } from './placement-step.ts';
import type { PlacementAction, Rung, Step } from './placement-step.ts';
import type { PlacementWorld } from './placement-world.ts';
import { placeholderBound, placeholderThere, taken, unnamed } from './scheduling-rungs.ts';

/** What is to be done about the placement of one Instance, in this order; `status` last, when it differs. */
export type PlacementPlan = {
  readonly actions: readonly PlacementAction[];
  readonly status?: PlacementStatus;
  readonly againMs?: number;
};

/** From what must hold first. */
const LADDER: readonly Rung[] = [
  ...[holderExists, holderHeard, endingGone, made, deletionAwaited, understood, besideItsDisk, standing],
  ...[
    roomNeeded,
    roomEnough,
    unnamed,
    askedAsDeclared,
    nodeChosen,
    placeholderThere,
    placeholderBound,
    taken,
  ],
];

/** The same world gives the same plan; a world at rest gives no action and no status. */
export function placementOf(world: PlacementWorld): PlacementPlan {
  const step = firstUnmet(world);
  const status = statusOf(world, step);
  const isNew = status !== undefined && canonicalText(status) !== canonicalText(world.instance.status);
  return {
    actions: step.actions,
    ...(isNew ? { status } : {}),
    ...(step.againMs === undefined ? {} : { againMs: step.againMs }),
  };
}

function firstUnmet(world: PlacementWorld): Step {
  for (const rung of LADDER) {
    const step = rung(world);
    if (step !== undefined) return step;
  }
  return REST;
}

/** An Instance that a node has is its agent's to speak of, for as long as that one is heard. */
function statusOf({ instance, now }: PlacementWorld, { says, unheard }: Step): PlacementStatus | undefined {
  if (unheard !== undefined) return statusUnheard(instance, unheard, now);
  if (says === undefined || instance.holder !== undefined || instance.isBeingDeleted) return undefined;
  return statusWaiting(instance, says, now);
}
