import { shapeOf } from '../machine/snapshot.ts';
import type { SnapshotState } from '../machine/snapshot.ts';
import type { Action } from './action.ts';
import type { World } from './world.ts';

/** What a suspension leaves, as far as it can be known before. */
export function standbyOf(
  world: World,
  { hypervisor, machine }: Extract<Action, { kind: 'suspend-machine' }>,
): SnapshotState {
  const { version = '', accelerator = '' } = world.host.drivers[hypervisor] ?? {};
  return {
    state: 'ready',
    isSettled: false,
    manifest: {
      version: 1,
      source: machine.id,
      createdAt: world.now,
      memory: { writer: { hypervisor, version, accelerator }, shape: shapeOf(machine), writtenAt: '0' },
      unsettledOnBoot: world.host.bootId,
    },
  };
}

export function settledOf(standby: SnapshotState): SnapshotState {
  if (standby.state !== 'ready') return standby;
  const { unsettledOnBoot, ...manifest } = standby.manifest;
  return unsettledOnBoot === undefined ? standby : { ...standby, isSettled: true, manifest };
}
