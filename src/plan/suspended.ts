import { isRunOpen } from '../machine/record.ts';
import type { InstanceRecord } from '../machine/record.ts';
import type { KnownWorld } from './world.ts';

/** No VMM, and the memory of its run is kept: it goes on when it is restored, unless it was given up. */
export function isSuspended({ record, machine, standby }: KnownWorld): boolean {
  return (
    machine.state === 'absent' &&
    standby.state === 'ready' &&
    isRunOpen(record) &&
    record.stopping === undefined
  );
}

/** There is a machine, if only on disk: what it was started with is what it has. */
export function hasMachine(world: KnownWorld): boolean {
  return world.machine.state !== 'absent' || isSuspended(world);
}

/** A machine is there, and was let run: its guest may send, whatever it says. */
export function mayRun({ machine }: Pick<KnownWorld, 'machine'>): boolean {
  return machine.state !== 'absent' && machine.state !== 'created';
}

/** The memory of its run was kept, and is no more, without anybody's wish. */
export function isMemoryLost({ run, stopping }: InstanceRecord): boolean {
  return run?.standby?.is === 'suspended' && stopping === undefined;
}
