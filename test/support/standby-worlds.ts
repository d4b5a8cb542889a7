import type { VolumeMount } from '../../src/api/instance.ts';
import type { Dimm } from '../../src/machine/hotplug.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { SnapshotManifest, SnapshotState } from '../../src/machine/snapshot.ts';
import { layerSerial, volumeSerial } from '../../src/machine/volume.ts';
import { mountsApplied } from '../../src/plan/volumes.ts';
import type { World } from '../../src/plan/world.ts';
import { aRecord, aRun, HOST, IDENTITY, NOW, pinned, runningWorld } from './worlds.ts';

/** Worlds in which a memory is kept. */

export const VOID: SnapshotState = {
  state: 'void',
  why: 'the host went down before all of it was on disk',
};

/** What this run would leave on this host. */
export function keptMemoryOf(
  { applied: { fields }, link }: NonNullable<InstanceRecord['run']>,
  changes: {
    readonly isSettled?: boolean;
    readonly version?: string;
    readonly dimms?: readonly Dimm[];
  } = {},
): SnapshotState {
  const { isSettled = true, version = '7.2' } = changes;
  const room = Number(fields.hotplugSize);
  const manifest: SnapshotManifest = {
    ...{ version: 1, source: IDENTITY.id, createdAt: NOW },
    memory: {
      writer: { hypervisor: 'qemu', version, accelerator: 'tcg' },
      shape: {
        vcpus: Number(fields.vcpus),
        memoryBytes: Number(fields.size),
        disks: ['root', 'overlay', ...mountsApplied(fields).flatMap(serialsOf)],
        hasNic: fields['network.enabled'] === 'true' || link === 'down',
        ...(room === 0 ? {} : { hotplug: { bytes: room, dimms: changes.dimms ?? [] } }),
      },
      writtenAt: '0',
    },
    ...(isSettled ? {} : { unsettledOnBoot: HOST.bootId }),
  };
  return { state: 'ready', manifest, isSettled };
}

function serialsOf({ overlay }: VolumeMount, at: number): readonly string[] {
  return overlay ? [volumeSerial(at), layerSerial(at)] : [volumeSerial(at)];
}

/** In standby, its memory on disk and on record. */
export function standbyWorld(changes: Partial<World> = {}): World {
  const run = aRun();
  return runningWorld({
    record: aRecord({ image: pinned(), run: { ...run, standby: { is: 'suspended', at: NOW - 1_000 } } }),
    machine: { state: 'absent' },
    guest: { state: 'silent' },
    standby: keptMemoryOf(run),
    ...changes,
  });
}
