import type { PinnedImage } from '../machine/image.ts';
import type { InstanceId, InstanceKey, VolumeId, VolumeKey } from '../machine/ids.ts';
import type { Owner } from '../machine/machine.ts';
import type { InstanceRecord } from '../machine/record.ts';
import type { VolumeDisk, VolumeUser, VolumeWish } from '../machine/volume.ts';
import type { Secret } from '../secrets/secret.ts';

/** A volume that is on disk. */
export type StoredVolume = {
  readonly version: 1;
  readonly id: VolumeId;
  readonly key: VolumeKey;
  readonly createdAt: number;
  /** What it was filled with, if that was an image: as it was declared, and exactly. */
  readonly image?: PinnedImage;
  /** As last declared: what holds once the declaration is gone. */
  readonly reclaimPolicy: 'Retain' | 'Delete';
};

/** The disks that outlive instances. A disk that is there is never made again. */
export type Volumes = {
  all(): readonly StoredVolume[];
  /** Directories that cannot be used. They are never collected. `message` says what to do. */
  problems(): readonly { readonly directory: string; readonly message: string }[];
  of(key: VolumeKey): StoredVolume | undefined;
  look(key: VolumeKey): Promise<VolumeDisk>;
  /**
   * Makes the disk of a volume that has none; one that is there is left as it is. Filling it goes on after this
   * returns, and `look` tells of it. Throws `DiskFull` where nothing has to be filled.
   */
  create(wish: VolumeWish, credentials?: readonly Secret[]): Promise<void>;
  /** It is declared anew: what could not be made before is not waited for any more. */
  tryAgain(key: VolumeKey): void;
  /** Who has the volume by the records of open runs, but for `but`. */
  usersOf(key: VolumeKey, but?: InstanceKey): readonly VolumeUser[];
  /**
   * Writes a record that may open a run with volumes: nobody else takes them between the asking and the writing.
   * Throws `VolumeInUse` when another has one that cannot be shared; nothing is written then.
   */
  claim(record: InstanceRecord, write: () => Promise<void>): Promise<void>;
  /** Never shrinks. Throws `VolumeInUse` while anybody has it. */
  grow(key: VolumeKey, bytes: number): Promise<void>;
  /** Durable when it returns. */
  writePolicy(key: VolumeKey, policy: StoredVolume['reclaimPolicy']): Promise<void>;
  /**
   * Lets a VMM open the disk at this path: written by its owner alone, or read by the shared group. The first
   * reader gets a filesystem that needs no repair: it mounts without replaying the journal. Throws `VolumeDamaged`,
   * and `VolumeInUse` for one that has no claim on it, or another one.
   */
  handOver(path: string, to: VolumeTaker): Promise<void>;
  /** From now on nobody but root may open it; one that somebody has stays as it is. */
  takeBack(key: VolumeKey): Promise<void>;
  /** Removes it with all that is on it, and says so; one that somebody has, or may have, stays. */
  remove(key: VolumeKey): Promise<boolean>;
  /** The writable layer of an instance over a volume. */
  layerBytes(instance: InstanceId, volume: VolumeId): Promise<number | undefined>;
  /** Makes the layer, or grows it. */
  fitLayer(layer: VolumeLayer): Promise<void>;
  /** The directory of all volumes is there from now on. */
  ensureDirectory(): Promise<void>;
  /** What interrupted work left. Returns what went. */
  collect(): Promise<readonly string[]>;
  /** Ends what is being filled; nothing half-made counts. */
  close(): Promise<void>;
};

export type VolumeTaker = {
  readonly instance: InstanceKey;
  readonly owner: Owner;
  readonly readonly: boolean;
};

export type VolumeLayer = {
  readonly instance: InstanceId;
  readonly volume: VolumeId;
  readonly bytes: number;
  readonly owner: Owner;
};
