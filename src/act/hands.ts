import type { Egress } from '../egress/egress.ts';
import type { GuestLinks } from '../guest/guest-links.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Drivers } from '../machine/driver.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Roots } from '../machine/paths.ts';
import type { AddressPool, Network } from '../network/network.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import type { Snapshots } from '../storage/snapshots.ts';
import type { Storage } from '../storage/storage.ts';
import type { Volumes } from '../storage/volumes.ts';

/** Everything through which the world is changed. */
export type Hands = {
  /** The values that a boot archive is written with. */
  readonly environmentOf: (key: InstanceKey) => Promise<DeclaredEnvironment>;
  readonly storage: Storage;
  readonly snapshots: Pick<Snapshots, 'settleStandby' | 'discardStandby'>;
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
