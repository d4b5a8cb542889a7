import { HypemanError } from '../../errors.ts';
import type { MachineRef, MemoryKeeper, RestoreFrom } from '../../machine/driver.ts';
import type { Machine } from '../../machine/machine.ts';
import { shapeOf } from '../../machine/snapshot.ts';
import { endVmm, newVmm, tell } from './world.ts';
import type { FakeSnapshot, FakeVmm, FakeWorld } from './world.ts';

/** Standby, restore and fork of machines whose memory is one number. */
export function fakeMemoryKeeper(world: FakeWorld): MemoryKeeper {
  return {
    suspend: promised((machine: Machine) => {
      suspendIn(world, machine);
    }),
    restore: promised((machine: Machine, from: RestoreFrom) => {
      restoreIn(world, machine, from);
    }),
    freeze: async (machine, base, { copyDisks, onReady, onPaused }) => {
      if (world.snapshots.has(base.directory)) return { pausedMs: 0 };
      const standby = world.snapshots.get(machine.paths.standby.directory);
      const frozen = standby ?? snapshotOf(worthKeeping(world, machine));
      if (standby === undefined) {
        await onReady?.();
        onPaused?.();
      }
      await copyDisks(base.disks);
      world.snapshots.set(base.directory, frozen);
      return { pausedMs: standby === undefined ? 1 : 0 };
    },
  };
}

function suspendIn(world: FakeWorld, machine: Machine): void {
  const { directory } = machine.paths.standby;
  if (!world.snapshots.has(directory))
    world.snapshots.set(directory, snapshotOf(worthKeeping(world, machine)));
  endVmm(world, machine.id);
}

function restoreIn(world: FakeWorld, machine: Machine, from: RestoreFrom): void {
  const known = world.vmms.get(machine.id);
  if (known?.answers === false) throw unreachable(machine);
  if (known?.status === 'running') return;
  const standby = machine.paths.standby.directory;
  if (known?.status === 'paused') known.status = 'running';
  else goOn(world, machine, from);
  world.snapshots.delete(standby);
  tell(world, { kind: 'restored', machine });
}

function goOn(world: FakeWorld, machine: Machine, from: RestoreFrom): void {
  const { directory } = from.kind === 'base' ? from.base : machine.paths.standby;
  const snapshot = world.snapshots.get(directory);
  const isOfIt = from.kind === 'base' || snapshot?.source === machine.id;
  const isFit = JSON.stringify(snapshot?.shape) === JSON.stringify(shapeOf(machine));
  if (snapshot === undefined || !isOfIt || !isFit)
    throw new HypemanError('transient', 'SnapshotUnusable', `${machine.id} cannot go on from ${directory}`);
  const refusal = world.refusal(machine);
  if (refusal !== undefined) throw refusal;
  newVmm(world, machine, snapshot.memory);
}

function worthKeeping(world: FakeWorld, { id, memory, hotplug }: Machine): FakeVmm {
  const vmm = world.vmms.get(id);
  if (vmm?.answers === false) throw unreachable({ id });
  if (vmm?.status !== 'running' && vmm?.status !== 'paused')
    throw new HypemanError('transient', 'CannotSuspend', `${id} does not run`);
  if (memory !== 'file')
    throw new HypemanError('invalid', 'CannotSuspend', `the memory of ${id} is not kept in a file`);
  if (JSON.stringify(vmm.machine.hotplug) !== JSON.stringify(hotplug))
    throw new HypemanError('transient', 'CannotSuspend', `the memory of ${id} has just changed`);
  return vmm;
}

function snapshotOf({ machine, memory }: FakeVmm): FakeSnapshot {
  return { source: machine.id, shape: shapeOf(machine), memory };
}

function unreachable({ id }: Pick<MachineRef, 'id'>): HypemanError {
  return new HypemanError('transient', 'MachineUnreachable', `${id} does not answer`);
}

/** A throw becomes a rejection, as it is for everybody else who keeps the port's promise. */
function promised<A extends unknown[]>(work: (...args: A) => void): (...args: A) => Promise<void> {
  return (...args) =>
    new Promise((resolve) => {
      work(...args);
      resolve();
    });
}
