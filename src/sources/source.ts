import type { Instance } from '../api/instance.ts';
import type { InstanceEvent } from '../api/reported.ts';
import type { InstanceStatus } from '../api/status.ts';
import type { ReportedVolume } from '../api/reported-volume.ts';
import type { ReclaimPolicy, Volume } from '../api/volume.ts';
import type { InstanceKey, VolumeKey } from '../machine/ids.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import type { PullSecrets } from '../secrets/pull-secrets.ts';

/** What a source says about one key. The planner's `Desired` is made from it in look/. */
export type Declared =
  | {
      readonly is: 'wanted';
      readonly uid: string;
      readonly generation: number;
      readonly instance: Instance;
      readonly refused?: DeclaredRefusal;
      /** Why it may not be started now, for as long as this is said. What runs of it runs on. */
      readonly startBar?: { readonly reason: string; readonly message: string };
    }
  | {
      readonly is: 'held';
      readonly uid: string;
      readonly generation: number;
      readonly refused: DeclaredRefusal;
      /** Whatever it is to be, it has no place on this host now: what runs of it is stopped, and its disks kept. */
      readonly isToStop?: true;
    }
  | { readonly is: 'gone' };

export type DeclaredRefusal = { readonly reason: 'Invalid' | 'SourceLost'; readonly message: string };

/**
 * What is said of a Volume. The path of an archive in its spec is absolute. `held`: nobody can say now whether and
 * what it is to be. `barred`: no instance here may have it, whatever disk of its name there is.
 */
export type DeclaredVolume =
  | { readonly is: 'wanted'; readonly volume: Volume; readonly refused?: DeclaredRefusal }
  | { readonly is: 'held'; readonly refused: DeclaredRefusal }
  | { readonly is: 'barred'; readonly reason: string; readonly message: string }
  /** `reclaimPolicy`: its last word, where that is still known. */
  | { readonly is: 'gone'; readonly reclaimPolicy?: ReclaimPolicy };

/** Volumes as a source declares them. */
export type VolumeDeclarations = {
  keys(): readonly VolumeKey[];
  declared(key: VolumeKey): DeclaredVolume;
  /** `listener` hears of each that changed, once the source has started. */
  onChange(listener: (key: VolumeKey) => void): void;
  /** How it stands with one on this host, told whenever that was looked at; the source writes it where users look. */
  report?(volume: ReportedVolume): void;
  /** Deleted, used by nobody here, and its disk removed or to be kept: its declaration may go. Repeatable. */
  forget?(key: VolumeKey): void;
};

/** Where declarations come from and where status goes to. */
export type Source = {
  /** Resolves when everything declared now is known; from then on `notify` names each key that changed. */
  start(notify: (key: InstanceKey) => void): Promise<void>;
  /** Keys that are declared, held, or still have a status to be cleaned up. */
  keys(): readonly InstanceKey[];
  declared(key: InstanceKey): Declared;
  environmentOf(key: InstanceKey): Promise<DeclaredEnvironment>;
  /** The credentials that an instance names for the registry of its image. */
  pullSecretsOf(key: InstanceKey): Promise<PullSecrets>;
  /** Absent: this source knows no volumes. */
  readonly volumes?: VolumeDeclarations;
  /** The status last reported, from an earlier controller too. */
  lastStatus(key: InstanceKey): InstanceStatus | undefined;
  /** Writes only what differs. Repeated events are counted, not repeated. */
  report(key: InstanceKey, status: InstanceStatus, events: readonly InstanceEvent[]): Promise<void>;
  /** The instance is gone and everything of it: forget its status. */
  forget(key: InstanceKey): Promise<void>;
  close(): Promise<void>;
};
