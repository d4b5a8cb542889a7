import type { InstanceRecord, StopReason } from '../../machine/record.ts';
import type { Action } from '../action.ts';
import { ASK_AGAIN_MS, elapsed, POWER_OFF_MS, STOP_GRACE_MS } from '../patience.ts';
import { withoutBase, withStopping } from '../records.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { asked, met, unmet, waiting } from '../verdict.ts';
import { hypervisorOfMachine } from '../wishes.ts';
import type { KnownWorld } from '../world.ts';

const BECAUSE: Readonly<Record<StopReason, readonly [reason: string, message: string]>> = {
  Stopped: ['Stopping', 'the program was asked to end: spec.state is Stopped'],
  Unplaced: ['Stopping', 'the program was asked to end: the instance has no place on this host now'],
  Deleted: ['Deleting', 'the program was asked to end: the instance is being removed'],
  Restart: ['Restarting', 'the program was asked to end: it will be started again'],
  Recreate: ['Restarting', 'the program was asked to end: it will be started again from another image'],
  NeverReady: [
    'NotReady',
    'the program was not ready within 5 minutes: the machine is ended and started again',
  ],
};

/**
 * The one way in which a stop begins: on record first, so that a crash leaves a reason for it. In standby no program
 * can be asked any more: its memory is given up.
 */
export function beginStop(world: KnownWorld, because: StopReason): Verdict {
  const { record, machine, now } = world;
  const [reason, message] = BECAUSE[because];
  const stopping = withStopping(record, because, now);
  if (machine.state === 'absent') return unmet(reason, givenUpText(because), ...givenUp(world, stopping));
  const write: Action = { kind: 'write-record', record: stopping };
  if (because === 'NeverReady') return unmet(reason, message, write, kill(world));
  if (machine.state !== 'running') return unmet(reason, message, write);
  return asked(ASK_AGAIN_MS, reason, message, write, requestShutdown(world, STOP_GRACE_MS));
}

/** A stop that has begun is seen through, whatever is wanted by now. */
export const stopFinished: Rung<KnownWorld> = (world) => {
  const { record, machine, standby, now } = world;
  if (record.stopping === undefined) return met;
  const { because, since } = record.stopping;
  const [reason, message] = BECAUSE[because];
  if (machine.state === 'absent')
    return standby.state === 'absent' ? met : unmet(reason, givenUpText(because), ...givenUp(world, record));
  const age = elapsed(since, now);
  const cannotHear =
    machine.state === 'created' || machine.state === 'shutdown' || standby.state !== 'absent';
  if (cannotHear || because === 'NeverReady' || age >= STOP_GRACE_MS + POWER_OFF_MS)
    return unmet(reason, message, kill(world));
  const leftMs = STOP_GRACE_MS + POWER_OFF_MS - age;
  if (machine.state !== 'running') return waiting(reason, message, leftMs);
  const graceMs = Math.max(0, STOP_GRACE_MS - age);
  return asked(Math.min(leftMs, ASK_AGAIN_MS), reason, message, requestShutdown(world, graceMs));
};

export function kill(world: KnownWorld): Action {
  return { kind: 'kill-machine', id: world.record.identity.id, hypervisor: hypervisorOfMachine(world) };
}

/** A base is others' too: a fork only lets go of it. */
function givenUp({ now, record: known }: KnownWorld, record: InstanceRecord): [Action, ...Action[]] {
  const write: Action = { kind: 'write-record', record: withoutBase(record, now) };
  if (record.fork?.base !== undefined) return [write];
  const discard: Action = { kind: 'discard-standby', id: record.identity.id };
  return record === known ? [discard] : [write, discard];
}

function givenUpText(because: StopReason): string {
  return because === 'Stopped'
    ? 'spec.state is Stopped: the memory of the standby is lost, the disks are kept'
    : 'the memory of the standby is given up';
}

function requestShutdown(world: KnownWorld, graceMs: number): Action {
  const { id } = world.record.identity;
  return { kind: 'request-shutdown', id, hypervisor: hypervisorOfMachine(world), graceMs };
}
