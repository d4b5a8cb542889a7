import { forkLaws, inheritanceLaws, takingLaws } from './fork-laws.ts';
import { unreachable } from '../../src/errors.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { Action } from '../../src/plan/action.ts';
import type { World } from '../../src/plan/world.ts';
import { bootLaws, guardLaws, hadNic, removalLaws, vcpuLaws } from './egress-laws.ts';
import type { Law } from './egress-laws.ts';
import {
  discardLaws,
  refreshLaws,
  restoreLaws,
  settleLaws,
  suspendLaws,
  unkeptLaws,
} from './standby-laws.ts';
import { growthLaws } from './memory-laws.ts';
import { mountLaws, volumeLaws } from './volume-laws.ts';

/** Throws when an action does to a host what nobody may do to it, whatever the plan was. */
export function obeyed(world: World, action: Action): void {
  for (const [holds, text] of lawsFor(world, action)) if (!holds) throw new Error(`law broken: ${text}`);
}

// eslint-disable-next-line complexity -- one line per kind of action: a table, not a decision
function lawsFor(world: World, action: Action): readonly Law[] {
  const isDown = world.machine.state === 'absent';
  const { overlay, network } = world;
  const record = world.record === 'absent' ? undefined : world.record;
  switch (action.kind) {
    case 'create-overlay':
      return [
        [isDown && overlay.state === 'absent', 'no overlay is made over another, or under a machine'],
        ...unkeptLaws(world),
      ];
    case 'grow-overlay':
      return [
        [overlay.state === 'ready' && overlay.bytes < action.bytes, 'an overlay never shrinks'],
        [isDown, 'no disk changes under a machine'],
        ...unkeptLaws(world),
      ];
    case 'remove-overlay':
      return [[isDown, 'no disk changes under a machine'], ...unkeptLaws(world)];
    case 'create-volume':
    case 'grow-volume':
    case 'fit-volume-layer':
      return [
        [isDown, 'no disk changes under a machine'],
        ...volumeLaws(world, action),
        ...unkeptLaws(world),
      ];
    case 'write-boot':
      return [[isDown, 'no disk changes under a machine'], ...bootLaws(world, action)];
    case 'remove-network':
      return [[isDown, 'no guard is lifted while a machine could send']];
    case 'shape-tap':
      return [[network.tap.state === 'up', 'only a tap that is there is shaped']];
    case 'guard-tap':
      return [
        [network.tap.state === 'up', 'only a tap that is there is guarded'],
        ...guardLaws(world, action),
      ];
    case 'put-policy':
      return [
        [world.egress.problem === undefined, 'nobody speaks to a proxy that is not there'],
        [record?.credentials !== undefined, 'no policy without a note of it on record'],
      ];
    case 'remove-policy':
      return removalLaws(world, action);
    case 'trust-authority':
      return [[world.guest.state === 'started', 'only a guest that listens is given a CA']];
    case 'forget-instance':
      return [
        [isDown, 'no record goes before its machine'],
        ...unkeptLaws(world),
        [network.tap.state === 'absent' && network.guard.state === 'open', 'nor before its network'],
        [world.egress.policy.state === 'absent', 'nor before its policy'],
      ];
    case 'start-machine':
      return [...startLaws(world, action), ...unkeptLaws(world)];
    case 'suspend-machine':
      return suspendLaws(world, action);
    case 'grow-memory':
      return growthLaws(world, action);
    case 'throttle-disks':
      return throttleLaws(world, action);
    case 'settle-standby':
      return settleLaws(world);
    case 'restore-machine':
      return restoreLaws(world, action);
    case 'discard-standby':
      return discardLaws(world);
    case 'refresh-guest':
      return refreshLaws(world);
    case 'freeze-machine':
    case 'freeze-disks':
    case 'hold-guest':
    case 'release-guest':
    case 'clone-disks':
    case 'identify-guest':
      return forkLaws(world, action);
    case 'kill-machine': {
      const hasReason = record?.stopping !== undefined || record?.exit !== undefined;
      const mayRun = world.machine.state === 'running' || world.machine.state === 'unknown';
      return [[!mayRun || hasReason, 'no kill of what runs without a reason on record']];
    }
    case 'request-shutdown':
      return [[record?.stopping !== undefined, 'no stop without a reason on record']];
    case 'acknowledge-exit':
      return [[record?.exit !== undefined, 'no exit is acknowledged before it is on disk']];
    case 'write-record':
      return [
        [record === undefined || isSame(record, action.record), 'an identity never changes'],
        ...takingLaws(world, action.record),
      ];
    case 'keep-inheritance':
      return inheritanceLaws(world);
    case 'create-tap':
    case 'pull-image':
      return [];
    default:
      return unreachable(action);
  }
}

function startLaws(world: World, { machine }: Extract<Action, { kind: 'start-machine' }>): readonly Law[] {
  const { network, overlay, boot, image } = world;
  const run = world.record === 'absent' || world.record.stopping !== undefined ? undefined : world.record.run;
  const isResume = world.machine.state === 'paused';
  const hasNic = isResume ? hadNic(run) : machine.nic !== undefined;
  const isGuarded = network.tap.state === 'up' && network.guard.state === 'guarded';
  return [
    [!hasNic || isGuarded, 'no vCPU runs before its guard'],
    ...(hasNic ? vcpuLaws(world, isResume) : []),
    [isResume || (overlay.state === 'ready' && boot.state === 'ready'), 'no vCPU runs before its disks'],
    ...mountLaws(world, machine, isResume),
    [image.state === 'ready', 'no vCPU runs before its image'],
    [run !== undefined, 'no vCPU runs that is not on record'],
  ];
}

function throttleLaws(
  { machine, host }: World,
  { hypervisor, bytesPerSecond }: Extract<Action, { kind: 'throttle-disks' }>,
): readonly Law[] {
  const isThere = machine.state === 'running' || machine.state === 'paused';
  const limit = isThere ? machine.diskBytesPerSecond : undefined;
  const isAble = host.drivers[hypervisor]?.abilities?.diskThrottle === true;
  return [
    [limit !== undefined && isAble, 'no driver is asked for what it cannot do'],
    [limit !== bytesPerSecond, 'no limit is set that is in force'],
  ];
}

function isSame(one: InstanceRecord, other: InstanceRecord): boolean {
  const textOf = ({ identity, uid, createdAt }: InstanceRecord): string =>
    // A fork that has taken nothing yet gets its source's salt.
    JSON.stringify([{ ...identity, salt: '' }, uid, createdAt]);
  return textOf(one) === textOf(other);
}
