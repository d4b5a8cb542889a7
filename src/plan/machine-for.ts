import type { VolumeMount } from '../api/instance.ts';
import type { ImageState } from '../machine/image.ts';
import type { Dimm } from '../machine/hotplug.ts';
import type { Machine, MachineDisk } from '../machine/machine.ts';
import { pathsFor } from '../machine/paths.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { NETWORK_FIELD } from './fields.ts';
import { dimmsSeen } from './memory.ts';
import type { ReadyWorld } from './ready-world.ts';
import { mountsApplied, volumeDisks } from './volumes.ts';
import { hypervisorWanted } from './wishes.ts';
import type { RecordedWorld } from './world.ts';

/** The machine that an instance is run as: every path absolute, nothing left to resolve. */
export function machineFor(world: ReadyWorld): Machine {
  const { spec } = world.desired.instance;
  const abilities = world.host.drivers[hypervisorWanted(world)]?.abilities;
  return {
    ...machineOf(world, {
      vcpus: spec.vcpus,
      memoryBytes: spec.memoryBytes,
      hotplugBytes: spec.hotplugBytes,
      dimms: [],
      diskBps: spec.diskBps,
      isNetworked: spec.network.enabled,
      mounts: spec.volumes,
    }),
    ...(abilities?.standby === true ? { memory: 'file' } : {}),
  };
}

/** The machine that there is, if only on disk: as it was started, and what was plugged in since. */
export function machineApplied(world: RunWorld): Machine {
  const {
    applied: { fields },
    link,
  } = world.record.run;
  return {
    ...machineOf(world, {
      vcpus: Number(fields.vcpus),
      memoryBytes: Number(fields.size),
      hotplugBytes: Number(fields.hotplugSize ?? 0),
      dimms: dimmsSeen(world),
      // Of the spec: whoever goes on is given what is wanted now.
      diskBps: world.desired.instance.spec.diskBps,
      isNetworked: fields[NETWORK_FIELD] === 'true',
      link,
      mounts: mountsApplied(fields),
    }),
    memory: 'file',
  };
}

/** A run is on record, and the image that it was started from is here. */
type RunWorld = RecordedWorld & {
  readonly record: { readonly run: NonNullable<InstanceRecord['run']> };
  readonly image: Extract<ImageState, { state: 'ready' }>;
};

export function hasRun(world: RecordedWorld): world is RunWorld {
  return world.record.run !== undefined && world.image.state === 'ready';
}

type Build = {
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly hotplugBytes: number;
  readonly dimms: readonly Dimm[];
  readonly diskBps: number | undefined;
  readonly isNetworked: boolean;
  readonly link?: 'down' | undefined;
  readonly mounts: readonly VolumeMount[];
};

function machineOf(world: RecordedWorld & Pick<ReadyWorld, 'image'>, build: Build): Machine {
  const { record, host, image } = world;
  const { id, tap, mac, owner } = record.identity;
  const { vcpus, memoryBytes, hotplugBytes, dimms, diskBps, isNetworked, link } = build;
  const paths = pathsFor(host.roots, id);
  const disks: readonly MachineDisk[] = [
    { serial: 'root', path: image.rootDisk, readonly: true },
    { serial: 'overlay', path: paths.overlay, readonly: false },
    ...volumeDisks(world, build.mounts, paths),
  ];
  // A guest that goes on has its kernel already: one that is missing keeps nobody in standby.
  const kernel = host.kernel.state === 'ready' ? host.kernel : { path: '', cmdline: '' };
  return {
    ...{ id, vcpus, memoryBytes, disks, owner, paths },
    ...(diskBps === undefined ? {} : { diskBytesPerSecond: diskBps }),
    ...(hotplugBytes > 0 ? { hotplug: { bytes: hotplugBytes, dimms } } : {}),
    kernel: kernel.path,
    // The boot archive has the base archive in it: hypervisors take one file.
    initrd: [paths.bootArchive],
    cmdline: kernel.cmdline,
    ...(isNetworked ? { nic: { tap, mac } } : {}),
    ...(link === undefined ? {} : { nic: { tap, mac, link } }),
  };
}
