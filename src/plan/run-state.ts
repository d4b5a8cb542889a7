import type { ReportedState } from '../api/status.ts';
import { isReplaced } from './known.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { isSuspended } from './suspended.ts';
import { hasNeverRun } from './wishes.ts';
import type { World } from './world.ts';

/** The record of the instance that is declared now; what another one left under the key is not its own. */
export function ownRecord(world: World): InstanceRecord | undefined {
  return world.record === 'absent' || isReplaced(world) ? undefined : world.record;
}

/** No vCPU runs, and the memory is kept to go on from. */
export function isInStandby(world: World): boolean {
  const record = ownRecord(world);
  return record !== undefined && isSuspended({ ...world, record });
}

/** The guest's program has started and not ended, and nobody is ending it. */
export function programRuns(world: World): boolean {
  const record = ownRecord(world);
  return (
    world.machine.state === 'running' &&
    world.guest.state !== 'exited' &&
    record?.run?.readyAt !== undefined &&
    record.exit === undefined &&
    record.stopping === undefined
  );
}

/** One of the reference system's eight words, from what is seen. */
export function stateOf(world: World): ReportedState | undefined {
  const record = ownRecord(world);
  if (world.machine.state === 'running') return runningState(world, record);
  if (world.machine.state !== 'absent') return STATES[world.machine.state];
  if (record === undefined && world.desired.is !== 'wanted') return undefined;
  if (isInStandby(world)) return 'Standby';
  return record === undefined || hasNeverRun(record) ? 'Created' : 'Stopped';
}

const STATES = { created: 'Created', paused: 'Paused', shutdown: 'Shutdown', unknown: 'Unknown' } as const;

function runningState(world: World, record: InstanceRecord | undefined): ReportedState {
  if (programRuns(world)) return 'Running';
  const isEnding =
    record?.exit !== undefined || record?.stopping !== undefined || world.guest.state === 'exited';
  return isEnding ? 'Shutdown' : 'Initializing';
}
