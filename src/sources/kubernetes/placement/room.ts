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
  if (STANDING_STILL[demand.state].includes(state)) return false;
  const hasExited = textAt(conditionOf(status, 'Running'), ['reason']) === 'Exited';
  return !(state === 'Stopped' && hasExited && !isTrue(status, 'Stalled'));
}

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
