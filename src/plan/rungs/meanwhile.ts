import type { Rung } from '../verdict.ts';
import { firstUnmet } from '../verdict.ts';
import type { KnownWorld, RecordedWorld } from '../world.ts';
import { keptGuarded } from './held.ts';
import { tapGuarded, tapSafe } from './network.ts';
import { policyPut } from './policy.ts';

/**
 * A guest that is being stopped, that says it ended, or whose hypervisor does not answer, may still send: its policy
 * and its guard are kept current while that is waited for. They hold up nothing: what is due is done in the same
 * breath.
 */
export function mediatedMeanwhile(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return meanwhile([tapSafe, policyPut, tapGuarded], rung);
}

/** The same for one that is being removed, of which nothing is declared any more: it stays as it is guarded. */
export function guardedMeanwhile(rung: Rung<KnownWorld>): Rung<KnownWorld> {
  return meanwhile([keptGuarded], rung);
}

function meanwhile<W extends KnownWorld>(upkeep: readonly Rung<W>[], rung: Rung<W>): Rung<W> {
  return (world) => {
    const verdict = rung(world);
    const isWait = verdict.is === 'waiting' || (verdict.is === 'unmet' && verdict.thenMs !== undefined);
    if (!isWait || world.machine.state === 'absent') return verdict;
    const due = firstUnmet(upkeep, world);
    if (due.is !== 'unmet') return verdict;
    const { reason, message } = verdict;
    const others = verdict.is === 'unmet' ? verdict.actions : [];
    return { is: 'unmet', reason, message, actions: [...due.actions, ...others] };
  };
}
