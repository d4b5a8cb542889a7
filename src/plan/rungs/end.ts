import { withEnd } from '../records.ts';
import type { Rung } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';

/** A run whose machine is gone is closed, with everything that was told about its end, before another begins. */
export const endRecorded: Rung<KnownWorld> = (world) => {
  const { record, machine } = world;
  if (machine.state !== 'absent') return met;
  const isOpen = record.run !== undefined && record.stoppedAt === undefined;
  if (!isOpen && record.stopping === undefined) return met;
  return unmet('Ended', 'the machine is gone: the end of its run is being recorded', {
    kind: 'write-record',
    record: withEnd(world),
  });
};
