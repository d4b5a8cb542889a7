import { mismatchOf, shapeOf } from '../../machine/snapshot.ts';
import type { Action } from '../action.ts';
import { hasRun, machineApplied } from '../machine-for.ts';
import { ASK_AGAIN_MS, elapsed, FORK_WITHIN_MS } from '../patience.ts';
import { withEnd, withoutStandby, withStandby } from '../records.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { asked, met, stuck, unmet, waiting } from '../verdict.ts';
import { mountsApplied, volumeSeen } from '../volumes.ts';
import { hypervisorOfMachine } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';
import { disksCloned } from './fork.ts';
import { imageReady } from './image.ts';
import { kill } from './stop.ts';

/** Out of standby: the machine goes on as it was started, in its own network, behind the policy of now. */

/** A VMM that a restore left before it had its memory is begun anew. The memory is not touched by that. */
export const noHalfRestore: Rung<RecordedWorld> = (world) =>
  world.machine.state === 'created' && world.standby.state !== 'absent'
    ? unmet('Restoring', 'the restore was cut short: it is begun anew', kill(world))
    : met;

/** A device state fits no other machine than its own. It is kept: to lose it is the user's to say. */
export const memoryFits: Rung<RecordedWorld> = (world) => {
  const why = misfitOf(world);
  if (why === undefined) return met;
  return stuck('RestoreFailed', `the machine cannot go on from its standby: ${why}; ${WAY_OUT}`);
};

export const WAY_OUT =
  'its memory is kept: state Stopped gives it up, and Running then boots it from its disks';

function misfitOf(world: RecordedWorld): string | undefined {
  const { standby, host } = world;
  const hypervisor = hypervisorOfMachine(world);
  const { version, accelerator } = host.drivers[hypervisor] ?? {};
  if (standby.state !== 'ready' || !hasRun(world)) return undefined;
  if (world.overlay.state === 'absent') return 'its overlay disk is gone';
  const { memory } = standby.manifest;
  if (memory === undefined) return 'there is no memory in it';
  const lost = mountsApplied(world.record.run.applied.fields).find(({ volume }) => !isThere(world, volume));
  if (lost !== undefined) return `the disk of its volume ${lost.volume} is not there`;
  if (version === undefined || accelerator === undefined) return undefined;
  return mismatchOf(memory, shapeOf(machineApplied(world)), { hypervisor, version, accelerator });
}

function isThere(world: RecordedWorld, volume: string): boolean {
  return volumeSeen(world, volume)?.disk.state === 'ready';
}

const RESTORING = 'the machine goes on from its standby';

/** On record first: a machine that is gone after that has crashed, and has not lost its memory in standby. */
export const machineRestored: Rung<RecordedWorld> = (world) => {
  const { record, now } = world;
  if (!hasRun(world)) return imageReady(world);
  const { run } = world.record;
  if (run.standby?.is === 'resumed') return resumedAgain(world, restoreMachine(world), run.standby.at);
  const resumed = withStandby(record, run, { is: 'resumed', at: now });
  return unmet('Restoring', RESTORING, { kind: 'write-record', record: resumed }, restoreMachine(world));
};

/**
 * A base is not used up by the one that goes on from it. Whatever ran before wrote to the disks, and the memory of
 * the base knows nothing of that: it gets the disks of the base again. What fails each time is not tried for ever.
 */
function resumedAgain(world: RecordedWorld, restore: Action, since: number): Verdict {
  const { base, record, now } = world;
  if (record.fork?.base === undefined || base === undefined || base === 'absent')
    return unmet('Restoring', RESTORING, restore);
  if (world.machine.state !== 'absent') return asked(1_000, 'Restoring', RESTORING, restore);
  if (elapsed(since, now) < FORK_WITHIN_MS)
    return asked(1_000, 'Restoring', RESTORING, disksCloned(world, base), restore);
  return unmet('Ended', 'the fork ended each time before it was itself: its memory is given up', {
    kind: 'write-record',
    record: withEnd(world),
  });
}

/** A standby, or a restore, that was cut short left a machine that stands still: it has all of its memory. */
export const halfSuspendedResumed: Rung<RecordedWorld> = (world) => {
  if (world.machine.state !== 'paused' || world.standby.state === 'absent') return met;
  return machineRestored(world);
};

function restoreMachine(world: Parameters<typeof machineApplied>[0]): Action {
  const { fork } = world.record;
  return {
    kind: 'restore-machine',
    hypervisor: hypervisorOfMachine(world),
    machine: machineApplied(world),
    ...(fork?.base === undefined ? {} : { base: fork.base }),
  };
}

/** Once for each restore, as soon as init listens. */
export const guestRefreshed: Rung<RecordedWorld> = ({ record, guest }) => {
  const { run, identity } = record;
  if (run?.standby === undefined) return met;
  if (guest.state !== 'started')
    return waiting('Restoring', 'the guest goes on; its clock is set as soon as it answers', ASK_AGAIN_MS);
  return unmet(
    'Restoring',
    'the guest goes on: it is told the time and given entropy',
    { kind: 'refresh-guest', id: identity.id },
    { kind: 'write-record', record: withoutStandby(record, run) },
  );
};
