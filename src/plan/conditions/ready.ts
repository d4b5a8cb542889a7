import { isRunOpen } from '../../machine/record.ts';
import { policyWanted } from '../mediation.ts';
import type { Outcome } from '../outcome.ts';
import { isRecorded } from '../known.ts';
import { isInStandby, ownRecord, programRuns } from '../run-state.ts';
import type { World } from '../world.ts';
import type { Claim } from './claim.ts';
import { claim } from './claim.ts';

/**
 * True: the declared state is reached, and for Running the program runs, mediated as declared: `mediation` is what is
 * claimed of that. Else: the step that is due, and why.
 */
export function readyClaim(world: World, outcome: Outcome, mediation: readonly Claim[]): Claim {
  const { reason, message } = outcome.is === 'planned' ? outcome.plan : outcome.failure;
  if (outcome.is === 'failed' && outcome.failure.fate === 'bug')
    return claim('Ready', 'Unknown', reason, message);
  return (
    reachedClaim(world, mediation) ?? claim('Ready', isUnclear(world) ? 'Unknown' : 'False', reason, message)
  );
}

function reachedClaim(world: World, mediation: readonly Claim[]): Claim | undefined {
  if (world.desired.is === 'gone')
    return claim('Ready', 'False', 'Deleting', 'the instance is being removed');
  if (world.desired.is === 'held') return undefined;
  switch (world.desired.instance.spec.state) {
    case 'Stopped':
      return isStopped(world) ? claim('Ready', 'True', 'Stopped', 'stopped, as declared') : undefined;
    case 'Standby':
      return isPutAway(world) ? claim('Ready', 'True', 'Standby', 'in standby, as declared') : undefined;
    case 'Running':
      return runs(world, mediation);
  }
}

function runs(world: World, mediation: readonly Claim[]): Claim | undefined {
  if (!programRuns(world) || ownRecord(world)?.run?.standby !== undefined) return undefined;
  return shortfall(world, mediation) ?? claim('Ready', 'True', 'ProgramRunning', 'the program runs');
}

/** A rotation under way is none: until the proxy has the new value, it has one that was declared. */
function shortfall(world: World, mediation: readonly Claim[]): Claim | undefined {
  if (!isRecorded(world) || policyWanted(world) === undefined) return undefined;
  const lacking = mediation.find(
    ({ type, status, reason }) =>
      status === 'False' && !(type === 'CredentialsSynced' && reason === 'Pending'),
  );
  return lacking === undefined ? undefined : claim('Ready', 'False', lacking.reason, lacking.message);
}

/** Nobody can say now whether what runs is what is wanted. */
function isUnclear({ desired, machine, record }: World): boolean {
  return machine.state === 'unknown' || (desired.is === 'held' && record !== 'absent');
}

/** In standby, on record and on disk. */
function isPutAway(world: World): boolean {
  const { standby } = world;
  const isSettled = standby.state === 'ready' && standby.isSettled;
  return isInStandby(world) && isSettled && ownRecord(world)?.run?.standby?.is === 'suspended';
}

function isStopped(world: World): boolean {
  const record = ownRecord(world);
  if (record === undefined || world.machine.state !== 'absent' || record.stopping !== undefined) return false;
  return !isRunOpen(record);
}
