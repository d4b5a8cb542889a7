import type { Machine, MachineDisk } from '../machine/machine.ts';
import type { InstancePaths } from '../machine/paths.ts';
import { pathsFor } from '../machine/paths.ts';
import type { ReadyWorld } from './ready-world.ts';

/** The machine that an instance is run as: every path absolute, nothing left to resolve. */
export function machineFor(world: ReadyWorld): Machine {
  const { record, desired, host } = world;
  const { spec } = desired.instance;
  const { id, tap, mac, owner } = record.identity;
  const paths = pathsFor(host.roots, id);
  return {
    id,
    vcpus: spec.vcpus,
    memoryBytes: spec.memoryBytes,
    kernel: host.kernel.path,
    // The boot archive has the base archive in it: hypervisors take one file.
    initrd: [paths.bootArchive],
    cmdline: host.kernel.cmdline,
    disks: disksFor(world, paths),
    ...(spec.network.enabled ? { nic: { tap, mac } } : {}),
    owner,
    paths,
  };
}

function disksFor({ image, desired }: ReadyWorld, paths: InstancePaths): readonly MachineDisk[] {
  const { diskBps } = desired.instance.spec;
  const limit = diskBps === undefined ? {} : { bytesPerSecond: diskBps };
  return [
    { serial: 'root', path: image.rootDisk, readonly: true, ...limit },
    { serial: 'overlay', path: paths.overlay, readonly: false, ...limit },
  ];
}
