import type { Instance } from '../api/instance.ts';
import type { GuestLinks } from '../guest/guest-links.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { Driver } from '../machine/driver.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { AddressPool, Network } from '../network/network.ts';
import type { HostFacts, Refusal } from '../plan/world.ts';
import type { Secret } from '../secrets/secret.ts';
import type { Storage } from '../storage/storage.ts';

export type Drivers = Readonly<Partial<Record<Hypervisor, Driver>>>;

export type DeclaredEnvironment =
  | { readonly is: 'ready'; readonly values: Readonly<Record<string, Secret>> }
  | { readonly is: 'missing'; readonly reason: string; readonly message: string };

/** The part of a source that look and act need: the words of sources/source.ts, without knowing that room. */
export type Declarations = {
  declared(key: InstanceKey):
    | {
        readonly is: 'wanted';
        readonly uid: string;
        readonly generation: number;
        readonly instance: Instance;
        readonly refused?: Refusal;
      }
    | { readonly is: 'held'; readonly uid: string; readonly generation: number; readonly refused: Refusal }
    | { readonly is: 'gone' };
  environmentOf(key: InstanceKey): Promise<DeclaredEnvironment>;
};

/** Everything that is looked at to build a World. */
export type Eyes = {
  readonly declarations: Declarations;
  readonly storage: Storage;
  readonly images: ImageStore;
  readonly network: Network;
  readonly addresses: AddressPool;
  readonly links: GuestLinks;
  readonly drivers: Drivers;
  readonly hostFacts: () => Promise<HostFacts>;
  readonly newId: () => InstanceId;
  /** 32 random bytes in hex. */
  readonly newSalt: () => string;
  /** See `installationTag`. */
  readonly tag: string;
  readonly now: () => number;
};
