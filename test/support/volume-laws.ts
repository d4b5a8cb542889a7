import type { VolumeMount } from '../../src/api/instance.ts';
import { nameOf } from '../../src/machine/ids.ts';
import { whoBars } from '../../src/machine/volume.ts';
import type { Action } from '../../src/plan/action.ts';
import { mountsApplied, volumeSeen } from '../../src/plan/volumes.ts';
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

/** Of a machine that is about to be created; one that is only let run again has its disks. */
export function mountLaws(world: World, isResume: boolean): readonly Law[] {
  if (isResume) return [];
  const run = world.record === 'absent' ? undefined : world.record.run;
  return mountsApplied(run?.applied.fields ?? {}).flatMap((mount) => lawsOf(world, mount));
}

function lawsOf(world: World, { volume, readonly, overlay, overlayBytes = 0 }: VolumeMount): readonly Law[] {
  const seen = volumeSeen(world, volume);
  return [
    [seen?.disk.state === 'ready', 'no vCPU runs before its volumes'],
    [seen !== undefined && whoBars(seen.users, readonly) === undefined, 'no volume is shared with a writer'],
    [!overlay || (seen?.layerBytes ?? 0) >= overlayBytes, 'no vCPU runs before its layers'],
  ];
}
