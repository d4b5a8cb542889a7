import type { GuestLinks } from '../guest/guest-links.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Declarations, Drivers } from '../look/eyes.ts';
import type { Roots } from '../machine/paths.ts';
import type { AddressPool, Network } from '../network/network.ts';
import type { Storage } from '../storage/storage.ts';

/** Everything through which the world is changed. */
export type Hands = {
  readonly declarations: Declarations;
  readonly storage: Storage;
  readonly images: ImageStore;
  readonly network: Network;
  readonly addresses: AddressPool;
  readonly links: GuestLinks;
  readonly drivers: Drivers;
  readonly roots: Roots;
  /** The base archive that every boot archive begins with. */
  readonly baseInitrd: () => Promise<string>;
};
