import { withEnd } from '../records.ts';
import { isRunOpen } from '../../machine/record.ts';
import { isMemoryLost } from '../suspended.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';

/** A run whose machine is gone, and its memory too, is closed with everything that was told about its end, before another begins. */
export const endRecorded: Rung<KnownWorld> = (world) => {
  const { record, machine, standby } = world;
  if (machine.state !== 'absent' || standby.state !== 'absent') return met;
  if (!isRunOpen(record) && record.stopping === undefined) return met;
  const write = { kind: 'write-record', record: withEnd(world) } as const;
  if (isMemoryLost(record)) return unmet('MemoryLost', lostText('it was removed from the disk'), write);
  return unmet('Ended', 'the machine is gone: the end of its run is being recorded', write);
};

/** A memory that nothing can go on from, or that belongs to no run, is given up, and never in silence. */
export const uselessMemoryDiscarded: Rung<KnownWorld> = (world) => {
  const { record, machine, standby } = world;
  if (machine.state !== 'absent' || standby.state === 'absent') return met;
  if (record.fork?.base !== undefined && isRunOpen(record)) return baseLost(world);
  const discard = { kind: 'discard-standby', id: record.identity.id } as const;
  if (!isRunOpen(record)) return unmet('Ended', 'a memory that belongs to no run is discarded', discard);
  if (standby.state === 'ready') return met;
  const write = { kind: 'write-record', record: withEnd(world) } as const;
  if (isMemoryLost(record)) return unmet('MemoryLost', lostText(standby.why), discard, write);
  return unmet(
    'Ended',
    `the machine is gone, and what was kept of it is void: ${standby.why}`,
    discard,
    write,
  );
};

/** The disks that the fork has by now are kept; a base is collected by itself. */
function baseLost(world: KnownWorld): Verdict {
  const { standby, record } = world;
  if (standby.state !== 'void') return met;
  const write = { kind: 'write-record', record: withEnd(world) } as const;
  return unmet(isMemoryLost(record) ? 'MemoryLost' : 'Ended', lostText(standby.why), write);
}

function lostText(why: string): string {
  return `the memory of its standby is lost: ${why}; the disks are kept, and the next start boots from them`;
}
