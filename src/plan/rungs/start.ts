import type { Fields } from '../../machine/record.ts';
import type { Action } from '../action.ts';
import { bootFieldsOf, bootFor } from '../boot-for.ts';
import { machineFor } from '../machine-for.ts';
import { HOST_MENDED_MS } from '../patience.ts';
import { disguiseOf } from '../policy-for.ts';
import type { ReadyWorld } from '../ready-world.ts';
import { isReady } from '../ready-world.ts';
import { withStart } from '../records.ts';
import { credentialsNoted } from './credentials.ts';
import type { Rung } from '../verdict.ts';
import { met, unmet, waiting } from '../verdict.ts';
import { changesAtRestart, fieldsAtStart, hypervisorWanted, restartedAtOf } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';
import { PREPARING } from './overlay.ts';
import { kill } from './stop.ts';

/** The rungs below this one have seen to it; a world that contradicts them waits instead of guessing. */
export function onceReady(rung: Rung<ReadyWorld>): Rung<RecordedWorld> {
  return (world) =>
    isReady(world)
      ? rung(world)
      : waiting('HostNotReady', 'image, kernel or environment is missing', HOST_MENDED_MS);
}

/** The archive is rewritten only while no machine reads it. */
export const bootWritten: Rung<ReadyWorld> = (world) => {
  const fields = bootFieldsOf(world);
  if (world.boot.state === 'ready' && isSame(world.boot.fields, fields)) return met;
  return unmet('Preparing', PREPARING, {
    kind: 'write-boot',
    key: world.key,
    boot: bootFor(world),
    fields,
    disguise: disguiseOf(world.desired.instance),
  });
};

/**
 * The start is on record before it happens: what runs is always accounted for. A machine that a crash of
 * ours left created goes on as it is, unless it is not what would be created now.
 */
export const machineStarted: Rung<ReadyWorld> = (world) => {
  const { machine } = world;
  if (machine.state === 'created' && changesAtRestart(world).length > 0)
    return unmet('Starting', 'the machine was changed before it ran: it is created anew', kill(world));
  const message = 'the machine is being started';
  if (machine.state === 'created') return unmet('Starting', message, startMachine(world));
  return unmet('Starting', message, { kind: 'write-record', record: started(world) }, startMachine(world));
};

export function startMachine(world: ReadyWorld): Action {
  return { kind: 'start-machine', hypervisor: hypervisorWanted(world), machine: machineFor(world) };
}

function started(world: ReadyWorld): ReadyWorld['record'] {
  return withStart(credentialsNoted(world), {
    at: world.now,
    hypervisor: hypervisorWanted(world),
    applied: { generation: world.desired.generation, fields: fieldsAtStart(world) },
    restartedAt: restartedAtOf(world),
  });
}

function isSame(one: Fields, other: Fields): boolean {
  const paths = Object.keys(one);
  return paths.length === Object.keys(other).length && paths.every((path) => one[path] === other[path]);
}
