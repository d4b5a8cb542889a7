import type { RunState } from '../../../api/instance.ts';
import { listOf, textAt, valueAt } from '../../../api/raw.ts';
import type { Mapping } from '../../../api/raw.ts';
import type { Demand, InstanceSight } from './instance-sight.ts';

/**
 * Whether an Instance that a node has needs room there: it runs, or shall, or is still on its way. One that stands
 * still as declared, and one whose program ended for good, free what they held. For a standby without a memory a
 * machine has to run first.
 */
export function needsRoom(
  { status, generation }: Pick<InstanceSight, 'status' | 'generation'>,
  demand: Pick<Demand, 'state'>,
): boolean {
  if (status.observedGeneration !== generation || isTrue(status, 'Reconciling')) return true;
  const state = textAt(status, ['state']) ?? '';
  return !STANDING_STILL[demand.state].includes(state) && !hasEndedForGood(status);
}

/**
 * Its program ended, and no restart policy starts it again. What Ready says of it, and not Running: of an instance
 * that was stopped since, too, its program has exited.
 */
export function hasEndedForGood(status: InstanceSight['status']): boolean {
  if (isTrue(status, 'Reconciling') || isTrue(status, 'Stalled')) return false;
  const reason = textAt(conditionOf(status, 'Ready'), ['reason']) ?? '';
  return textAt(status, ['state']) === 'Stopped' && ENDED.has(reason);
}

/** Why Ready is True, or False. */
export function readyReasonIn(status: Mapping, is: 'True' | 'False'): string | undefined {
  const ready = conditionOf(status, 'Ready');
  return textAt(ready, ['status']) === is ? textAt(ready, ['reason']) : undefined;
}

/** See plan/rungs/restart-due.ts. */
const ENDED: ReadonlySet<string> = new Set(['Completed', 'Exited']);

const STANDING_STILL: Readonly<Record<RunState, readonly string[]>> = {
  Running: [],
  Standby: ['Standby'],
  Stopped: ['Created', 'Stopped', 'Standby'],
};

function isTrue(status: Mapping, type: string): boolean {
  return textAt(conditionOf(status, type), ['status']) === 'True';
}

function conditionOf(status: Mapping, type: string): unknown {
  return listOf(valueAt(status, ['conditions'])).find((each) => textAt(each, ['type']) === type);
}
