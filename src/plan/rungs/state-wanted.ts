import { withoutFailures } from '../records.ts';
import type { Rung } from '../verdict.ts';
import { met, resting, unmet } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';
import { standbyKept } from './standby.ts';
import { beginStop } from './stop.ts';

/** Stopped means: no machine, and the ends so far forgotten, so that Running starts it at once. */
export const stateWanted: Rung<RecordedWorld> = (world) => {
  const { record, machine, standby, desired } = world;
  switch (desired.instance.spec.state) {
    case 'Running':
      return met;
    case 'Standby':
      return standbyKept(world);
    case 'Stopped':
      if (machine.state !== 'absent' || standby.state !== 'absent') return beginStop(world, 'Stopped');
      if (record.failures === 0) return resting('Stopped', 'stopped, as spec.state asks');
      return unmet('Stopping', 'the last end is being forgotten', {
        kind: 'write-record',
        record: withoutFailures(record),
      });
  }
};
