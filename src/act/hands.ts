import type { RunState } from '../api/instance.ts';
import type { Inheritance } from '../api/inheritance.ts';
import type { Egress } from '../egress/egress.ts';
import type { GuestLinks } from '../guest/guest-links.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Drivers } from '../machine/driver.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Roots } from '../machine/paths.ts';
import type { AddressPool, Network } from '../network/network.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import type { PullSecrets } from '../secrets/pull-secrets.ts';
import type { Snapshots } from '../storage/snapshots.ts';
import type { Storage } from '../storage/storage.ts';
import type { Volumes } from '../storage/volumes.ts';

/** What a fork of an instance takes from its declaration, or why that cannot be had now. */
export type InheritanceFound =
  | { readonly is: 'ready'; readonly inheritance: Inheritance }
  | { readonly is: 'missing'; readonly reason: string; readonly message: string };

/** Everything through which the world is changed. */
export type Hands = {
  /** The values that a boot archive is written with. */
  readonly environmentOf: (key: InstanceKey) => Promise<DeclaredEnvironment>;
  readonly pullSecretsOf: (key: InstanceKey) => Promise<PullSecrets>;
  readonly storage: Storage;
  readonly snapshots: Omit<Snapshots, 'standby' | 'base' | 'bases' | 'cloneMethod'>;
  /** What a fork of this instance takes from its declaration. */
  readonly inheritanceFrom: (source: InstanceKey, state: RunState, uid: string) => Promise<InheritanceFound>;
  /** By the source: why it could not be frozen the last time, for its forks to tell. */
  readonly forkTroubles: Map<InstanceKey, string>;
  readonly volumes: Volumes;
  readonly images: ImageStore;
  readonly network: Network;
  readonly addresses: AddressPool;
  readonly egress: Pick<Egress, 'put' | 'remove' | 'known'>;
  readonly links: GuestLinks;
  readonly drivers: Drivers;
  readonly roots: Roots;
  /** The base archive that every boot archive begins with. */
  readonly baseInitrd: () => Promise<string>;
};
