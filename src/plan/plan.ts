import { buildLadder, removeLadder, stopLadder } from './ladders.ts';
import { keptGuarded } from './rungs/held.ts';
import { recorded } from './rungs/recorded.ts';
import type { Plan, Verdict } from './verdict.ts';
import { firstUnmet, met, stuck } from './verdict.ts';
import { isKnown, isRecorded, isReplaced } from './known.ts';
import type { World } from './world.ts';

/**
 * Decides the next step from the world as it was seen. Pure: same world, same plan. It never looks past
 * the first unmet rung, so that no action rests on the predicted result of another.
 */
export function plan(world: World): Plan {
  return planFrom(verdictOn(world));
}

function verdictOn(world: World): Verdict {
  if (world.desired.is === 'held') {
    const { refused, isToStop } = world.desired;
    const { reason, message } = refused;
    const ladder = isToStop === true ? stopLadder : [keptGuarded];
    const kept = isKnown(world) ? firstUnmet(ladder, world) : met;
    return kept.is === 'met' ? stuck(reason, message) : kept;
  }
  if (world.desired.is === 'gone') return isKnown(world) ? firstUnmet(removeLadder, world) : met;
  if (isReplaced(world)) return firstUnmet(removeLadder, world);
  if (isRecorded(world)) return firstUnmet(buildLadder, world);
  return recorded({ ...world, desired: world.desired });
}

function planFrom(verdict: Verdict): Plan {
  switch (verdict.is) {
    case 'met':
      return { actions: [], verdict: 'rest', reason: 'AtRest', message: 'everything is as declared' };
    case 'unmet':
      return {
        actions: verdict.actions,
        verdict: 'unmet',
        reason: verdict.reason,
        message: verdict.message,
        ...(verdict.thenMs === undefined ? {} : { lookAgainMs: verdict.thenMs }),
      };
    case 'waiting':
      return {
        actions: [],
        verdict: 'waiting',
        reason: verdict.reason,
        message: verdict.message,
        lookAgainMs: verdict.afterMs,
      };
    case 'rest':
    case 'stuck':
      return { actions: [], verdict: verdict.is, reason: verdict.reason, message: verdict.message };
  }
}
