import type { HypemanError } from '../../errors.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { Machine, MachineEnd, ProcessIdentity } from '../../machine/machine.ts';

/** A VMM that is an entry in a Map. It outlives every controller, as a process does. */
export type FakeVmm = {
  readonly machine: Machine;
  readonly process: ProcessIdentity;
  status: 'created' | 'running' | 'paused' | 'shutdown';
  /** False for one that was stopped (SIGSTOP) or hangs. */
  answers: boolean;
};

/** What happens to fake machines; drivers and fake guests listen. */
export type FakeEvent =
  | { readonly kind: 'started'; readonly machine: Machine }
  | { readonly kind: 'power-button'; readonly id: InstanceId }
  | { readonly kind: 'changed'; readonly id: InstanceId }
  | { readonly kind: 'ended'; readonly id: InstanceId; readonly end?: MachineEnd };

/** A host's worth of fake machines: what is left when a controller goes and the next one comes. */
export type FakeWorld = {
  readonly bootId: string;
  readonly vmms: Map<InstanceId, FakeVmm>;
  readonly listeners: Set<(event: FakeEvent) => void>;
  /** Why this machine cannot be started, as a hypervisor would say it. */
  refusal: (machine: Machine) => HypemanError | undefined;
  lastPid: number;
};

export function emptyWorld(bootId = 'fake-boot'): FakeWorld {
  return { bootId, vmms: new Map(), listeners: new Set(), refusal: () => undefined, lastPid: 1000 };
}

/** Ends a VMM from inside (`end` given) or from outside, and tells everybody. */
export function endVmm(world: FakeWorld, id: InstanceId, end?: MachineEnd): void {
  if (!world.vmms.delete(id)) return;
  tell(world, { kind: 'ended', id, ...(end === undefined ? {} : { end }) });
}

export function tell(world: FakeWorld, event: FakeEvent): void {
  for (const listener of world.listeners) listener(event);
}
