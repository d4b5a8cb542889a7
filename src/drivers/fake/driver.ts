import { HypemanError } from '../../errors.ts';
import type { Driver, MachineListener } from '../../machine/driver.ts';
import { pluggedBytes } from '../../machine/hotplug.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { Hypervisor, Machine, MachineEnd, MachineState } from '../../machine/machine.ts';
import type { Abilities } from '../../machine/snapshot.ts';
import { fakeMemoryKeeper } from './memory-keeper.ts';
import { endVmm, newVmm, tell } from './world.ts';
import type { FakeEvent, FakeWorld } from './world.ts';

export type FakeDriverOptions = {
  readonly world: FakeWorld;
  readonly onChange: MachineListener;
  /** The hypervisor to pass for; QEMU by default. */
  readonly name?: Hypervisor;
};

const ABILITIES: Abilities = { standby: true, fork: true, diskThrottle: true, memoryHotplug: true };

/**
 * A hypervisor made of a Map, for tests and benches without machines. It keeps every promise of
 * `Driver`; a second one on the same world is what a restarted controller opens.
 */
export function openFakeDriver({ world, onChange, name = 'qemu' }: FakeDriverOptions): Driver {
  const ends = new Map<InstanceId, MachineEnd>();
  const listener = (event: FakeEvent): void => {
    if (event.kind === 'started' || event.kind === 'restored' || event.kind === 'power-button') return;
    if (event.kind === 'ended' && event.end !== undefined) ends.set(event.id, event.end);
    onChange(event.id);
  };
  world.listeners.add(listener);
  return {
    name,
    facts: () => Promise.resolve({ version: 'fake', accelerator: 'tcg', abilities: ABILITIES }),
    observe: ({ id }) => Promise.resolve(stateIn(world, id, ends.get(id))),
    start: (machine) => {
      const refusal = startIn(world, machine);
      if (refusal !== undefined) return Promise.reject(refusal);
      ends.delete(machine.id);
      return Promise.resolve();
    },
    pressPowerButton: ({ id }) => {
      if (world.vmms.has(id)) tell(world, { kind: 'power-button', id });
      return Promise.resolve();
    },
    kill: ({ id }) => {
      endVmm(world, id);
      ends.delete(id);
      return Promise.resolve();
    },
    growMemory: (machine, bytes) => {
      const refusal = growIn(world, machine, bytes);
      return refusal === undefined ? Promise.resolve() : Promise.reject(refusal);
    },
    throttleDisks: ({ id }, diskBytesPerSecond) => {
      const vmm = world.vmms.get(id);
      if (vmm?.answers !== true) return Promise.reject(cannotThrottle(id));
      vmm.machine = { ...vmm.machine, diskBytesPerSecond };
      return Promise.resolve();
    },
    memory: fakeMemoryKeeper(world),
    close: () => {
      world.listeners.delete(listener);
      return Promise.resolve();
    },
  };
}

function stateIn(world: FakeWorld, id: InstanceId, ended: MachineEnd | undefined): MachineState {
  const vmm = world.vmms.get(id);
  if (vmm === undefined) return { state: 'absent', ...(ended === undefined ? {} : { ended }) };
  if (!vmm.answers) return { state: 'unknown', process: vmm.process, error: 'the fake VMM does not answer' };
  const dimms = vmm.machine.hotplug?.dimms ?? [];
  if (vmm.status !== 'running' && vmm.status !== 'paused') return { state: vmm.status, process: vmm.process };
  const { diskBytesPerSecond = 0 } = vmm.machine;
  const plugged = dimms.length > 0 ? { dimms } : {};
  return { state: vmm.status, process: vmm.process, ...plugged, diskBytesPerSecond };
}

function growIn(world: FakeWorld, { id, memoryBytes }: Machine, bytes: number): HypemanError | undefined {
  const vmm = world.vmms.get(id);
  if (vmm?.status !== 'running' || !vmm.answers)
    return new HypemanError('transient', 'CannotGrow', `${id} does not run`);
  const { hotplug = { bytes: 0, dimms: [] } } = vmm.machine;
  const plugged = pluggedBytes(hotplug.dimms);
  const missing = bytes - memoryBytes - plugged;
  if (missing <= 0) return undefined;
  if (plugged + missing > hotplug.bytes)
    return new HypemanError('transient', 'CannotGrow', `${id} has no room for it`);
  const dimm = { slot: hotplug.dimms.length, address: memoryBytes + plugged, bytes: missing };
  vmm.machine = { ...vmm.machine, hotplug: { ...hotplug, dimms: [...hotplug.dimms, dimm] } };
  return undefined;
}

function cannotThrottle(id: InstanceId): HypemanError {
  return new HypemanError('transient', 'CannotThrottle', `the disks of ${id} take no limit: it does not run`);
}

function startIn(world: FakeWorld, machine: Machine): HypemanError | undefined {
  const known = world.vmms.get(machine.id);
  if (known?.answers === false)
    return new HypemanError(
      'transient',
      'MachineUnreachable',
      `cannot start ${machine.id}: it does not answer`,
    );
  if (known !== undefined && known.status !== 'created') return undefined;
  if (world.snapshots.has(machine.paths.standby.directory))
    return new HypemanError('transient', 'InStandby', `${machine.id} is in standby`);
  const refusal = world.refusal(machine);
  if (refusal !== undefined) return refusal;
  if (known !== undefined) known.status = 'running';
  else newVmm(world, machine);
  tell(world, { kind: 'started', machine });
  return undefined;
}
