import type { InstanceRecord } from '../../machine/record.ts';
import { isInStandby, ownRecord, programRuns } from '../run-state.ts';
import { isMemoryLost } from '../suspended.ts';
import type { World } from '../world.ts';
import type { Claim } from './claim.ts';
import { claim } from './claim.ts';

/** True: the guest runs its program. */
export function runningClaim(world: World): Claim {
  const record = ownRecord(world);
  if (programRuns(world)) return claim('Running', 'True', 'ProgramRunning', 'the program runs');
  switch (world.machine.state) {
    case 'unknown':
      return claim('Running', 'Unknown', 'Unreachable', world.machine.error);
    case 'paused':
      return not('Paused', 'the machine is paused');
    case 'absent':
      return isInStandby(world) ? inStandby : without(record);
    case 'created':
    case 'running':
    case 'shutdown':
      return notYetOrNoMore(record);
  }
}

const inStandby = claim('Running', 'False', 'Standby', 'its memory is kept on disk');

function without(record: InstanceRecord | undefined): Claim {
  if (record?.run === undefined) return not('NotStarted', 'it was never started');
  if (record.exit !== undefined) return not('Exited', record.exit.message);
  if (isMemoryLost(record) && record.failures > 0)
    return not('MemoryLost', 'the memory of its standby was lost');
  if (record.failures > 0 || record.stoppedAt === undefined)
    return not('Crashed', 'the machine ended without a word of the program');
  return not('Stopped', 'it was stopped');
}

function notYetOrNoMore(record: InstanceRecord | undefined): Claim {
  if (record?.exit !== undefined) return not('Exited', record.exit.message);
  if (record?.stopping !== undefined) return not('Stopping', 'the program was asked to end');
  return not('Booting', 'the guest boots');
}

function not(reason: string, message: string): Claim {
  return claim('Running', 'False', reason, message);
}
