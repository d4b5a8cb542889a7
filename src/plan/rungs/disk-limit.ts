import { PREPARING } from './overlay.ts';
import { ownDriverAvailable } from './host-ready.ts';
import type { Rung } from '../verdict.ts';
import { firstUnmet, met, unmet } from '../verdict.ts';
import { hypervisorOfMachine } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';

/** Live, where the machine tells its limit and the hypervisor can change it; elsewhere an edit waits for a start. */
export const disksThrottled: Rung<RecordedWorld> = (world) => {
  const { machine, desired, record, host } = world;
  if (machine.state !== 'running' && machine.state !== 'paused') return met;
  const hypervisor = hypervisorOfMachine(world);
  const isAble = host.drivers[hypervisor]?.abilities?.diskThrottle === true;
  const bytesPerSecond = desired.instance.spec.diskBps ?? 0;
  if (!isAble || machine.diskBytesPerSecond === undefined || machine.diskBytesPerSecond === bytesPerSecond)
    return met;
  const obstacle = firstUnmet([ownDriverAvailable], world);
  if (obstacle.is !== 'met') return obstacle;
  const { id } = record.identity;
  return unmet('Preparing', PREPARING, { kind: 'throttle-disks', id, hypervisor, bytesPerSecond });
};
