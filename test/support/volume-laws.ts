import type { VolumeMount } from '../../src/api/instance.ts';
import { nameOf } from '../../src/machine/ids.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { volumeSerial, whoBars } from '../../src/machine/volume.ts';
import type { Action } from '../../src/plan/action.ts';
import { mountsApplied, volumeDisks, volumeSeen } from '../../src/plan/volumes.ts';
import type { World } from '../../src/plan/world.ts';
import type { Law } from './egress-laws.ts';

type OnVolume = Extract<Action, { kind: 'create-volume' | 'grow-volume' | 'fit-volume-layer' }>;

/** What nobody may do to a volume, whatever the plan was. */
export function volumeLaws(world: World, action: OnVolume): readonly Law[] {
  switch (action.kind) {
    case 'create-volume': {
      const seen = volumeSeen(world, nameOf(action.wish.key));
      return [[seen?.disk.state === 'absent' || seen?.disk.state === 'failed', 'no volume is made twice']];
    }
    case 'grow-volume': {
      const seen = volumeSeen(world, nameOf(action.volume));
      return [
        [seen?.users.length === 0, 'no volume grows under its user'],
        [seen?.disk.state === 'ready' && seen.disk.bytes < action.bytes, 'no volume shrinks'],
      ];
    }
    case 'fit-volume-layer':
      return [];
  }
}

/** Of a machine that is about to run, or to run again: what it has is on record, there, and in no other writer's hands. */
export function mountLaws(
  world: World,
  { disks }: Pick<Machine, 'disks'>,
  isResume: boolean,
): readonly Law[] {
  const run = world.record === 'absent' ? undefined : world.record.run;
  const mounts = mountsApplied(run?.applied.fields ?? {});
  const claimed = volumeDisks(world, mounts, { directory: '' });
  const taken = disks.filter(({ serial }) => /^vol[0-9]+$/.test(serial));
  const isClaimed = taken.every((disk) =>
    claimed.some(({ path, readonly }) => path === disk.path && readonly === disk.readonly),
  );
  // One that is only let run again has its disks.
  const others = isResume ? [] : mounts.flatMap((mount) => lawsOf(world, mount));
  return [[isClaimed, 'no volume is taken that is not on record'], ...others];
}

/** Of a memory that goes on: the guest believes in every disk that it knew. */
export function keptMountLaws(world: World, { disks }: Pick<Machine, 'disks'>): readonly Law[] {
  const run = world.record === 'absent' ? undefined : world.record.run;
  const mounts = mountsApplied(run?.applied.fields ?? {});
  const isWhole = mounts.every((_, at) => disks.some(({ serial }) => serial === volumeSerial(at)));
  return [
    [isWhole, 'no machine goes on without a volume that it had'],
    ...mounts.map(({ volume, readonly }): Law => {
      const isBarred = whoBars(volumeSeen(world, volume)?.users ?? [], readonly) !== undefined;
      return [!isBarred, 'no volume is shared with a writer'];
    }),
  ];
}

function lawsOf(world: World, { volume, readonly, overlay, overlayBytes = 0 }: VolumeMount): readonly Law[] {
  const seen = volumeSeen(world, volume);
  return [
    [seen?.disk.state === 'ready', 'no vCPU runs before its volumes'],
    [seen !== undefined && whoBars(seen.users, readonly) === undefined, 'no volume is shared with a writer'],
    [!overlay || (seen?.layerBytes ?? 0) >= overlayBytes, 'no vCPU runs before its layers'],
  ];
}
