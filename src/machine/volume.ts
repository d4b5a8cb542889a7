import { namespaceOf, volumeKeyOf } from './ids.ts';
import type { InstanceKey, VolumeId, VolumeKey } from './ids.ts';
import type { InstancePaths, Roots } from './paths.ts';
import { isRunOpen } from './record.ts';
import type { Fields, InstanceRecord } from './record.ts';

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

/** What an open run has. */
export function volumesHeldBy(record: InstanceRecord): readonly VolumeUse[] {
  if (!isRunOpen(record)) return [];
  const mounts = mountsIn(record.run.applied.fields) ?? [];
  return mounts.map(({ volume, readonly }) => ({
    key: volumeKeyOf(namespaceOf(record.key), volume),
    readonly,
  }));
}

/** One mount of a run as its record has it. */
export type MountOnRecord = {
  readonly volume: string;
  readonly mountPath: string;
  readonly readonly: boolean;
  readonly overlay: boolean;
  readonly overlayBytes?: number;
};

/**
 * The mounts that a run was started with: the field `volumes`, a list of
 * `[volume, mountPath, readonly, overlay, overlayBytes]`. Undefined when it cannot be read: a record that says so is
 * not taken for one that has none.
 */
export function mountsIn({ volumes = '[]' }: Fields): readonly MountOnRecord[] | undefined {
  const listed = parsed(volumes);
  if (!Array.isArray(listed)) return undefined;
  const mounts = listed.map(mountIn).filter((mount) => mount !== undefined);
  return mounts.length === listed.length ? mounts : undefined;
}

function mountIn(text: unknown): MountOnRecord | undefined {
  const [volume, mountPath, readonly, overlay, overlayBytes] = Array.isArray(text)
    ? (text as readonly unknown[])
    : [];
  if (typeof volume !== 'string' || typeof mountPath !== 'string') return undefined;
  return {
    ...{ volume, mountPath, readonly: readonly === true, overlay: overlay === true },
    ...(typeof overlayBytes === 'number' ? { overlayBytes } : {}),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
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
