import type { Instance } from '../api/instance.ts';
import type { Volume } from '../api/volume.ts';
import type { Egress } from '../egress/egress.ts';
import type { GuestLinks } from '../guest/guest-links.ts';
import type { MemoryCounts } from '../guest/memory-counts.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Driver } from '../machine/driver.ts';
import type { InstanceId, InstanceKey, VolumeKey } from '../machine/ids.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { AddressPool, Network } from '../network/network.ts';
import type { Desired, HostFacts, Refusal, StartBar } from '../plan/world.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import type { PullSecrets } from '../secrets/pull-secrets.ts';
import type { Snapshots } from '../storage/snapshots.ts';
import type { Storage } from '../storage/storage.ts';
import type { Volumes } from '../storage/volumes.ts';

/** The part of a source that is looked at: the words of sources/source.ts, without knowing that room. */
export type Declarations = {
  declared(key: InstanceKey):
    | {
        readonly is: 'wanted';
        readonly uid: string;
        readonly generation: number;
        readonly instance: Instance;
        readonly refused?: Refusal;
        readonly startBar?: StartBar;
      }
    | Extract<Desired, { is: 'held' }>
    | { readonly is: 'gone' };
  environmentOf(key: InstanceKey): Promise<DeclaredEnvironment>;
  pullSecretsOf(key: InstanceKey): Promise<PullSecrets>;
  /** Absent: this source knows no volumes. */
  readonly volumes?: { declared(key: VolumeKey): DeclaredVolume };
};

/** What is said of a Volume; the path of an archive in its spec is absolute. */
export type DeclaredVolume =
  | { readonly is: 'wanted'; readonly volume: Volume }
  | { readonly is: 'held'; readonly refused: Refusal }
  | { readonly is: 'barred'; readonly reason: string; readonly message: string }
  | { readonly is: 'gone' };

/** Everything that is looked at to build a World. */
export type Eyes = {
  readonly declarations: Declarations;
  readonly storage: Pick<Storage, 'recordOf' | 'overlayBytes' | 'forksOf'>;
  readonly snapshots: Pick<Snapshots, 'standby' | 'base' | 'bases'>;
  /** Why an instance could not be frozen for its forks the last time. */
  readonly forkTroubles: ReadonlyMap<InstanceKey, string>;
  readonly volumes: Pick<Volumes, 'look' | 'usersOf' | 'layerBytes'>;
  readonly images: Pick<ImageStore, 'look'>;
  readonly network: Pick<Network, 'look'>;
  readonly addresses: Pick<AddressPool, 'lease'>;
  readonly egress: Pick<Egress, 'inForce' | 'problem'>;
  readonly links: Pick<GuestLinks, 'look' | 'lastTold'>;
  /** Absent: nobody may ask the guests. */
  readonly memoryCounts?: Pick<MemoryCounts, 'missing' | 'forget'>;
  readonly drivers: Readonly<Partial<Record<Hypervisor, Pick<Driver, 'observe'>>>>;
  readonly hostFacts: () => Promise<HostFacts>;
  readonly newId: () => InstanceId;
  /** 32 random bytes in hex. */
  readonly newSalt: () => string;
  /** See `installationTag`. */
  readonly tag: string;
  readonly now: () => number;
};
