import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach } from 'vitest';
import { keyOf, volumeId, volumeKeyOf } from '../../src/machine/ids.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { VolumeWish } from '../../src/machine/volume.ts';
import type { UnpackImage } from '../../src/storage/make-volume.ts';
import { openVolumes } from '../../src/storage/open-volumes.ts';
import type { Volumes } from '../../src/storage/volumes.ts';
import { aRecord, aRun } from './worlds.ts';

export const MIB = 1024 ** 2;
export const KEY = volumeKeyOf('default', 'data');

/** Real volumes in a state directory of each test's own; the records are what the test says. */
export type VolumesStage = {
  readonly state: string;
  records: InstanceRecord[];
  volumes: Volumes;
  /** No image can be unpacked, unless a test says how. */
  unpackImage: UnpackImage;
  /** The same directory, as a controller after a restart opens it. */
  opened(): Promise<Volumes>;
  diskPath(): Promise<string>;
};

/** Called once by a test file; its values are there in its tests. */
export function volumesStage(): VolumesStage {
  const stage = {} as { -readonly [Key in keyof VolumesStage]: VolumesStage[Key] };
  beforeEach(async () => {
    stage.state = await mkdtemp(`${tmpdir()}/hypeman-volumes-`);
    stage.records = [];
    stage.unpackImage = () => Promise.reject(new Error('there are no images'));
    stage.volumes = await stage.opened();
  });
  afterEach(async () => {
    await stage.volumes.close();
    await rm(stage.state, { recursive: true, force: true });
  });
  stage.opened = () =>
    openVolumes({
      roots: { state: stage.state, run: stage.state },
      records: () => stage.records,
      unpackImage: (reference, to) => stage.unpackImage(reference, to),
    });
  stage.diskPath = async () => {
    const disk = await stage.volumes.look(KEY);
    if (disk.state !== 'ready') throw new Error(`the disk is ${disk.state}`);
    return disk.path;
  };
  return stage;
}

export function wish(changes: Partial<VolumeWish> = {}): VolumeWish {
  return { id: volumeId('v'.repeat(24)), key: KEY, bytes: 32 * MIB, reclaimPolicy: 'Retain', ...changes };
}

/** An instance whose open run has the volume. */
export function user(name: string, readonly: boolean, over = false): InstanceRecord {
  const run = aRun({ volumes: [{ volume: 'data', mountPath: '/mnt/data', readonly, overlay: false }] });
  return aRecord({ key: keyOf('default', name), run, ...(over ? { stoppedAt: 1 } : {}) });
}
