import type { HypemanError } from '../../errors.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { Machine, MachineEnd, ProcessIdentity } from '../../machine/machine.ts';
import type { MachineShape } from '../../machine/snapshot.ts';

/** A VMM that is an entry in a Map. It outlives every controller, as a process does. */
export type FakeVmm = {
  /** What was plugged in since it was started is part of it. */
  machine: Machine;
  readonly process: ProcessIdentity;
  status: 'created' | 'running' | 'paused' | 'shutdown';
  /** Stands for all of its RAM: a guest counts up in it whenever somebody looks. */
  memory: number;
  /** False for one that was stopped (SIGSTOP) or hangs. */
  answers: boolean;
};

export type FakeSnapshot = {
  readonly source: InstanceId;
  readonly shape: MachineShape;
  readonly memory: number;
};

/** What happens to fake machines; drivers and fake guests listen. */
export type FakeEvent =
  | { readonly kind: 'started'; readonly machine: Machine }
  | { readonly kind: 'restored'; readonly machine: Machine }
  | { readonly kind: 'power-button'; readonly id: InstanceId }
  | { readonly kind: 'changed'; readonly id: InstanceId }
  | { readonly kind: 'ended'; readonly id: InstanceId; readonly end?: MachineEnd };

/** A host's worth of fake machines: what is left when a controller goes and the next one comes. */
export type FakeWorld = {
  /** By directory: standbys and bases. */
  readonly snapshots: Map<string, FakeSnapshot>;
  readonly bootId: string;
  readonly vmms: Map<InstanceId, FakeVmm>;
  readonly listeners: Set<(event: FakeEvent) => void>;
  /** Why this machine cannot be started, as a hypervisor would say it. */
  refusal: (machine: Machine) => HypemanError | undefined;
  lastPid: number;
};

export function emptyWorld(bootId = 'fake-boot'): FakeWorld {
  return {
    ...{ bootId, vmms: new Map(), snapshots: new Map(), listeners: new Set() },
    ...{ refusal: () => undefined, lastPid: 1000 },
  };
}

/** The VMM of a machine that has none. Its memory is what it is given. */
export function newVmm(world: FakeWorld, machine: Machine, memory = 0): FakeVmm {
  world.lastPid += 1;
  const process = { pid: world.lastPid, startTime: world.lastPid, bootId: world.bootId };
  const vmm: FakeVmm = { machine, process, memory, status: 'running', answers: true };
  world.vmms.set(machine.id, vmm);
  return vmm;
}

/** Ends a VMM from inside (`end` given) or from outside, and tells everybody. */
export function endVmm(world: FakeWorld, id: InstanceId, end?: MachineEnd): void {
  if (!world.vmms.delete(id)) return;
  tell(world, { kind: 'ended', id, ...(end === undefined ? {} : { end }) });
}

export function tell(world: FakeWorld, event: FakeEvent): void {
  for (const listener of world.listeners) listener(event);
}
