import type { VolumeMount } from '../api/instance.ts';
import type { BootVolume } from '../machine/boot.ts';
import type { VolumeId } from '../machine/ids.ts';
import type { MachineDisk } from '../machine/machine.ts';
import type { InstancePaths } from '../machine/paths.ts';
import type { Fields } from '../machine/record.ts';
import { layerPathOf, layerSerial, mountsIn, volumeSerial } from '../machine/volume.ts';
import type { VolumeDisk, VolumeUser, VolumeWish } from '../machine/volume.ts';

/** One volume that an instance mounts, or wants to, as it is seen. */
export type VolumeSeen = {
  readonly declared:
    | { readonly is: 'wanted'; readonly wish: VolumeWish }
    /** Nobody can say now what it is to be: a disk that is there will do. */
    | { readonly is: 'held'; readonly reason: string; readonly message: string }
    /** No instance here may have it, whatever disk of its name there is. */
    | { readonly is: 'barred'; readonly reason: string; readonly message: string }
    | { readonly is: 'gone' };
  readonly disk: VolumeDisk;
  /** Other instances that have it. */
  readonly users: readonly VolumeUser[];
  /** Of the instance's own layer over it, if there is one. */
  readonly layerBytes?: number;
};

/** By the volume's name. */
export type VolumesSeen = Readonly<Record<string, VolumeSeen>>;

type WithVolumes = { readonly volumes?: VolumesSeen };

export function volumeSeen({ volumes = {} }: WithVolumes, name: string): VolumeSeen | undefined {
  return Object.hasOwn(volumes, name) ? volumes[name] : undefined;
}

/** The mounts that a run was started with, from its field `volumes`. */
export function mountsApplied(fields: Fields): readonly VolumeMount[] {
  return mountsIn(fields) ?? [];
}

/** One mount as `fieldsOf` writes it down. */
export type MountText = readonly [
  volume: string,
  mountPath: string,
  readonly: boolean,
  overlay: boolean,
  overlayBytes: number | null,
];

/** The disks of these mounts, in their order; of a volume that is not there none. */
export function volumeDisks(
  world: WithVolumes,
  mounts: readonly VolumeMount[],
  paths: Pick<InstancePaths, 'directory'>,
): readonly MachineDisk[] {
  return mounts.flatMap(({ volume, readonly, overlay }, at) => {
    const disk = volumeSeen(world, volume)?.disk;
    if (disk?.state !== 'ready') return [];
    const base = { serial: volumeSerial(at), path: disk.path, readonly };
    return overlay ? [base, layerDisk(at, paths, disk.id)] : [base];
  });
}

/** The instance's own layers over these mounts that are there, with the volume under each. */
export function layersOf(
  world: WithVolumes,
  mounts: readonly VolumeMount[],
  paths: Pick<InstancePaths, 'directory'>,
): readonly (MachineDisk & { readonly volume: VolumeId })[] {
  return mounts.flatMap(({ volume, overlay }, at) => {
    const seen = volumeSeen(world, volume);
    if (!overlay || seen?.disk.state !== 'ready' || seen.layerBytes === undefined) return [];
    const { id } = seen.disk;
    return [{ ...layerDisk(at, paths, id), volume: id }];
  });
}

function layerDisk(at: number, paths: Pick<InstancePaths, 'directory'>, volume: VolumeId): MachineDisk {
  return { serial: layerSerial(at), path: layerPathOf(paths, volume), readonly: false };
}

/** What init is told of these mounts: a path before the paths in it. */
export function bootVolumes(mounts: readonly VolumeMount[]): readonly BootVolume[] {
  return mounts
    .map(({ volume, mountPath, readonly, overlay }, at) => ({
      ...{ name: volume, mountPath, readonly, serial: volumeSerial(at) },
      ...(overlay ? { layer: layerSerial(at) } : {}),
    }))
    .sort((one, other) => (one.mountPath < other.mountPath ? -1 : 1));
}
