import type { Rung } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';
import { beginStop } from './stop.ts';

export const machineStopped: Rung<KnownWorld> = (world) =>
  world.machine.state === 'absent' ? met : beginStop(world, 'Deleted');

/** The record goes last: as long as it is there, there is somebody to clean up. */
export const forgotten: Rung<KnownWorld> = ({ record }) =>
  unmet('Deleting', 'the last files are being removed', {
    kind: 'forget-instance',
    key: record.key,
    identity: record.identity,
  });
