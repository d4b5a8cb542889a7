import type { Action } from '../action.ts';
import { ACKNOWLEDGE_AGAIN_MS, elapsed, EXIT_TO_ABSENT_MS } from '../patience.ts';
import type { InstanceRecord } from '../../machine/record.ts';
import type { ProgramExit } from '../../machine/guest.ts';
import { POWERED_OFF, withExit, withoutBase } from '../records.ts';
import type { Rung } from '../verdict.ts';
import { asked, met, unmet, waiting } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';
import { kill } from './stop.ts';

const MESSAGE = 'the program ended; the machine powers off';

/** The exit of the program is on disk before init is told that it may power off, so that no crash of ours loses it. */
export const exitRecorded: Rung<KnownWorld> = (world) => {
  const { record, machine } = world;
  if (machine.state === 'absent' || record.run === undefined || record.exit !== undefined) return met;
  const { guest, now } = world;
  if (guest.state === 'exited')
    return asked(
      ACKNOWLEDGE_AGAIN_MS,
      'Exited',
      MESSAGE,
      { kind: 'write-record', record: ended(record, guest.exit, now) },
      acknowledge(world),
    );
  if (machine.state === 'shutdown' && record.stopping === undefined)
    return unmet('Exited', MESSAGE, { kind: 'write-record', record: ended(record, POWERED_OFF, now) });
  return met;
};

/** A fork that ended before it was known to be itself has had its start: it does not go on from the base once more. */
function ended(record: InstanceRecord, exit: ProgramExit, now: number): InstanceRecord {
  return withoutBase(withExit(record, exit, now), now);
}

/** A machine that does not go after its program is ended: its run is over. */
export const poweredOff: Rung<KnownWorld> = (world) => {
  const { record, machine, guest, now } = world;
  if (machine.state === 'absent' || record.run === undefined || record.exit === undefined) return met;
  const leftMs = EXIT_TO_ABSENT_MS - elapsed(record.exit.at, now);
  if (leftMs <= 0 || machine.state === 'shutdown' || machine.state === 'created')
    return unmet('Exited', 'the program ended and its machine did not power off: it is ended', kill(world));
  if (machine.state !== 'running' || guest.state !== 'exited') return waiting('Exited', MESSAGE, leftMs);
  return asked(Math.min(leftMs, ACKNOWLEDGE_AGAIN_MS), 'Exited', MESSAGE, acknowledge(world));
};

function acknowledge({ record }: KnownWorld): Action {
  return { kind: 'acknowledge-exit', id: record.identity.id };
}
