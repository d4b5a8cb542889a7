import fc from 'fast-check';
import type { VolumeMount } from '../../src/api/instance.ts';
import { keyOf, volumeId, volumeKeyOf } from '../../src/machine/ids.ts';
import { volumesHeldBy, whoBars } from '../../src/machine/volume.ts';
import type { VolumeDisk } from '../../src/machine/volume.ts';
import type { VolumeSeen, VolumesSeen } from '../../src/plan/volumes.ts';
import type { World } from '../../src/plan/world.ts';
import { NOW } from './worlds.ts';

const MIB = 2 ** 20;
const NAMES = ['data', 'logs'] as const;
const size = fc.constantFrom(64 * MIB, 128 * MIB);

const anyMount: fc.Arbitrary<VolumeMount> = fc
  .record({ volume: fc.constantFrom(...NAMES), how: fc.constantFrom('write', 'read', 'layer'), bytes: size })
  .map(({ volume, how, bytes }) => ({
    ...{ volume, mountPath: `/mnt/${volume}`, readonly: how !== 'write', overlay: how === 'layer' },
    ...(how === 'layer' ? { overlayBytes: bytes } : {}),
  }));

/** What a spec mounts, or a run was started with: most often nothing. */
export const anyMounts: fc.Arbitrary<readonly VolumeMount[]> = fc.oneof(
  { weight: 2, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.uniqueArray(anyMount, { selector: ({ volume }) => volume, maxLength: 2 }) },
);

function anySeen(name: string): fc.Arbitrary<VolumeSeen> {
  const id = volumeId(name.padEnd(24, 'v'));
  const ready = size.map((bytes): VolumeDisk => ({ state: 'ready', id, path: `/volumes/${name}`, bytes }));
  const lost = { state: 'failed', reason: 'VolumeLost', message: 'put it back' } as const;
  const full = { state: 'failed', reason: 'DiskFull', message: 'no room', retryAt: NOW + 5_000 } as const;
  const held = { is: 'held', reason: 'Invalid', message: 'line 3' } as const;
  const user = fc.boolean().map((readonly) => ({ instance: keyOf('default', 'other'), readonly }));
  return fc
    .record({
      declared: fc.oneof(
        { weight: 4, arbitrary: size.map((bytes) => wish(name, bytes)) },
        { weight: 1, arbitrary: fc.constantFrom({ is: 'gone' } as const, held) },
      ),
      disk: fc.oneof(
        { weight: 4, arbitrary: ready },
        { weight: 2, arbitrary: fc.constantFrom<VolumeDisk>({ state: 'absent' }, full) },
        { weight: 1, arbitrary: fc.constantFrom<VolumeDisk>({ state: 'making' }, lost) },
      ),
      users: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(user, { maxLength: 1 })),
      layerBytes: fc.option(size, { nil: undefined }),
    })
    .map(({ layerBytes, ...seen }) => ({ ...seen, ...(layerBytes === undefined ? {} : { layerBytes }) }));
}

function wish(name: string, bytes: number): VolumeSeen['declared'] {
  const id = volumeId(name.padEnd(24, 'v'));
  const key = volumeKeyOf('default', name);
  return { is: 'wanted', wish: { id, key, bytes, reclaimPolicy: 'Delete' } };
}

/** Every volume there is, whoever mounts it. */
export const anyVolumes: fc.Arbitrary<VolumesSeen> = fc
  .tuple(anySeen('data'), anySeen('logs'))
  .map(([data, logs]) => ({ data, logs }));

/** As claims leave it: whom a run that is open would bar has not got its volumes. */
export function asClaimed({ record }: Pick<World, 'record'>, volumes: VolumesSeen): VolumesSeen {
  const held = record === 'absent' ? [] : volumesHeldBy(record);
  const entries = Object.entries(volumes).map(([name, seen]) => {
    const ours = held.find(({ key }) => key === volumeKeyOf('default', name));
    const isBarred = ours !== undefined && whoBars(seen.users, ours.readonly) !== undefined;
    return [name, isBarred ? { ...seen, users: [] } : seen] as const;
  });
  return Object.fromEntries(entries);
}

/** Why a start may wait for somebody else: only a disk that can be made by now is ours to make. */
export function volumeReasons({ desired, volumes = {} }: World): readonly string[] {
  if (desired.is !== 'wanted' || desired.instance.spec.volumes.length === 0) return [];
  return Object.values(volumes).flatMap(({ declared, disk, users }) => [
    ...(declared.is === 'gone' ? ['VolumeNotFound'] : []),
    ...(declared.is === 'held' ? [declared.reason] : []),
    ...(users.length > 0 ? ['VolumeInUse'] : []),
    ...(disk.state === 'making' ? ['VolumeFilling'] : []),
    ...(disk.state === 'failed' && disk.retryAt === undefined ? [disk.reason] : []),
  ]);
}
