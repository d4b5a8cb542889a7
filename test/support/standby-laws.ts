import type { InstanceRecord } from '../../src/machine/record.ts';
import { mismatchOf, shapeOf } from '../../src/machine/snapshot.ts';
import type { Action } from '../../src/plan/action.ts';
import type { World } from '../../src/plan/world.ts';
import { hadNic, vcpuLaws } from './egress-laws.ts';
import type { Law } from './egress-laws.ts';
import { keptMountLaws } from './volume-laws.ts';

/** What must hold of a memory that is kept. */

type Kind<K extends Action['kind']> = Extract<Action, { kind: K }>;

export function suspendLaws(world: World, { machine, hypervisor }: Kind<'suspend-machine'>): readonly Law[] {
  const { state } = world.machine;
  const run = recordOf(world)?.run;
  const facts = world.host.drivers[hypervisor];
  return [
    [state === 'running' || state === 'paused', 'only what has a memory is suspended'],
    [run?.readyAt !== undefined, 'nobody is suspended who never ran its program'],
    [facts?.abilities?.standby === true, 'no driver is asked for what it cannot do'],
    [isAsStarted(run, machine), 'a machine is suspended as what it was started as'],
    [isWanted(world, 'Standby'), 'nobody is suspended but by the wish'],
  ];
}

export function restoreLaws(world: World, { machine, hypervisor }: Kind<'restore-machine'>): readonly Law[] {
  const { network } = world;
  // A machine that stands still with all of its memory, after a standby or a restore that was cut short.
  const isStill = world.machine.state === 'paused' && world.standby.state !== 'absent';
  const isGuarded = network.tap.state === 'up' && network.guard.state === 'guarded';
  const hasNic = machine.nic !== undefined;
  return [
    ...(isStill ? [] : keptMountLaws(world, machine)),
    ...(isStill ? [] : keptLaws(world, { kind: 'restore-machine', machine, hypervisor })),
    ...recordedLaws(recordOf(world), machine),
    [world.image.state === 'ready', 'no vCPU runs before its image'],
    [!hasNic || isGuarded, 'no vCPU runs before its guard'],
    ...(hasNic ? vcpuLaws(world, isStill) : []),
  ];
}

function keptLaws(world: World, { machine, hypervisor }: Kind<'restore-machine'>): readonly Law[] {
  const { standby, host, overlay } = world;
  const isKept = world.machine.state === 'absent' && standby.state === 'ready';
  const memory = standby.state === 'ready' ? standby.manifest.memory : undefined;
  const { version = '', accelerator = '' } = host.drivers[hypervisor] ?? {};
  const misfit = memory && mismatchOf(memory, shapeOf(machine), { hypervisor, version, accelerator });
  return [
    [isKept, 'nothing is restored that is not kept'],
    [recordOf(world)?.stoppedAt === undefined, 'nothing is restored whose run has ended'],
    [misfit === undefined, 'no memory is given to a machine that it does not fit'],
    [overlay.state === 'ready', 'no vCPU runs before its disks'],
  ];
}

function recordedLaws(
  record: InstanceRecord | undefined,
  machine: Kind<'restore-machine'>['machine'],
): readonly Law[] {
  return [
    [record?.run?.standby?.is === 'resumed', 'no machine goes on that is not on record'],
    [record?.stopping === undefined, 'no machine goes on that is being given up'],
    [isAsStarted(record?.run, machine), 'a machine goes on as what it was started as'],
  ];
}

export function discardLaws(world: World): readonly Law[] {
  const record = recordOf(world);
  const isOpen = record?.run !== undefined && record.stoppedAt === undefined;
  const isGivenUp = record?.stopping !== undefined || world.standby.state === 'void' || !isOpen;
  return [
    [world.machine.state === 'absent', 'no memory goes from under a VMM'],
    [isGivenUp, 'no memory is given up that could go on, unless that is on record'],
  ];
}

export function settleLaws({ machine, standby }: World): readonly Law[] {
  return [[machine.state === 'absent' && standby.state === 'ready', 'only a memory that is kept is settled']];
}

export function refreshLaws(world: World): readonly Law[] {
  return [
    [world.guest.state === 'started', 'only a guest that listens is told the time'],
    [recordOf(world)?.run?.standby !== undefined, 'and only one that missed something'],
  ];
}

/** While a memory is kept, what its machine sees must not change. */
export function unkeptLaws({ standby }: World): readonly Law[] {
  return [
    [standby.state === 'absent', 'no disk changes, and no machine starts, under a memory that is kept'],
  ];
}

function recordOf({ record }: World): InstanceRecord | undefined {
  return record === 'absent' ? undefined : record;
}

function isAsStarted(run: InstanceRecord['run'], machine: Kind<'suspend-machine'>['machine']): boolean {
  const fields = run?.applied.fields;
  return (
    Number(fields?.vcpus) === machine.vcpus &&
    Number(fields?.size) === machine.memoryBytes &&
    run?.link === machine.nic?.link &&
    hadNic(run) === (machine.nic !== undefined)
  );
}

function isWanted({ desired }: World, state: 'Standby'): boolean {
  return desired.is === 'wanted' && desired.instance.spec.state === state;
}
