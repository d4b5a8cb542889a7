import { namespaceOf, volumeKeyOf } from './ids.ts';
import type { InstanceKey, VolumeId, VolumeKey } from './ids.ts';
import type { InstancePaths, Roots } from './paths.ts';
import type { InstanceRecord } from './record.ts';

/** What a new disk is filled with, once. */
export type VolumeSource =
  /** A tar archive. */
  | { readonly from: 'archive'; readonly path: string }
  /** The files of an OCI image. */
  | { readonly from: 'image'; readonly reference: string };

/** What a volume's disk is made by. */
export type VolumeWish = {
  readonly id: VolumeId;
  readonly key: VolumeKey;
  readonly bytes: number;
  /** What the disk begins with; the path of an archive is absolute. */
  readonly source?: VolumeSource;
  readonly reclaimPolicy: 'Retain' | 'Delete';
};

/** What a volume is filled with, as a user is told. */
export function sourceText(source: VolumeSource): string {
  return source.from === 'archive' ? source.path : `the image ${source.reference}`;
}

/** A volume's disk as it is seen. */
export type VolumeDisk =
  | { readonly state: 'absent' }
  /** `progress` of one that is filled: `downloading 1.0 MB of 2.0 MB (50 %)`. */
  | { readonly state: 'making'; readonly progress?: string }
  | {
      readonly state: 'failed';
      readonly reason: string;
      readonly message: string;
      /** ms since the epoch; absent: trying again is of no use. */
      readonly retryAt?: number;
    }
  | { readonly state: 'ready'; readonly id: VolumeId; readonly path: string; readonly bytes: number };

/** How one volume is attached to an instance. */
export type VolumeUse = { readonly key: VolumeKey; readonly readonly: boolean };
/** An instance that has a volume, and how. */
export type VolumeUser = { readonly instance: InstanceKey; readonly readonly: boolean };

export function volumesDirectory(roots: Roots): string {
  return `${roots.state}/volumes`;
}

/** What the controller last told of all volumes. */
export function volumeReportPath(stateDir: string): string {
  return `${stateDir}/volumes/status.json`;
}

/** The private writable layer of an instance over a read-only volume: it goes with the instance. */
export function layerPathOf(paths: Pick<InstancePaths, 'directory'>, volume: VolumeId): string {
  return `${paths.directory}/volume-${volume}.img`;
}

/** How init finds the disk of a mount. */
export function volumeSerial(at: number): string {
  return `vol${at}`;
}

export function layerSerial(at: number): string {
  return `${volumeSerial(at)}-layer`;
}

/** Records keep a mount as `[volume, mountPath, readonly, ...]`: the field `volumes` of what a run was started with. */
export function volumesHeldBy(record: InstanceRecord): readonly VolumeUse[] {
  const { run, stoppedAt, key } = record;
  if (run === undefined || stoppedAt !== undefined) return [];
  const mounts: unknown = JSON.parse(run.applied.fields.volumes ?? '[]');
  if (!Array.isArray(mounts)) return [];
  return mounts.flatMap((mount: unknown) => {
    const [name, , readonly] = Array.isArray(mount) ? (mount as readonly unknown[]) : [];
    if (typeof name !== 'string') return [];
    return [{ key: volumeKeyOf(namespaceOf(key), name), readonly: readonly === true }];
  });
}

/** Everybody who has the volume, but for `but`. */
export function usersOf(
  volume: VolumeKey,
  records: readonly InstanceRecord[],
  but?: InstanceKey,
): readonly VolumeUser[] {
  return records
    .filter(({ key }) => key !== but)
    .flatMap((record) =>
      volumesHeldBy(record)
        .filter(({ key }) => key === volume)
        .map(({ readonly }) => ({ instance: record.key, readonly })),
    );
}

/** Who keeps a volume from being attached: one writer alone, or readers only. */
export function whoBars(users: readonly VolumeUser[], readonly: boolean): VolumeUser | undefined {
  return users.find((user) => !readonly || !user.readonly);
}

/** `default/web (read-write)`: who has a volume, as a user is told. */
export function userText({ instance, readonly }: VolumeUser): string {
  return `${instance} (${readonly ? 'read-only' : 'read-write'})`;
}
