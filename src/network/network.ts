import type { Mediation } from '../machine/egress.ts';
import type { InstanceKey, TapName } from '../machine/ids.ts';
import type { NetworkState, Shaping } from '../machine/network.ts';
import type { Identity } from '../machine/record.ts';

/**
 * The host's side of every instance's network: one routed tap each, one nftables table for all
 * (`hypeman-TAG`, in the families inet and netdev), shaping. Everything is found again by name after a controller crash.
 */
export type Network = {
  /** Answers from one shared listing of taps, rules and qdiscs that is at most `maxAgeMs` old. */
  look(identity: Identity): Promise<NetworkState>;
  createTap(identity: Identity): Promise<void>;
  /**
   * In one nftables transaction; creates the table when it is missing. Safe to repeat. With `mediation` the guest
   * is sent to its own ports of the egress proxy, and everything that its mode does not allow is refused.
   */
  guardTap(identity: Identity, mediation?: Mediation): Promise<void>;
  shapeTap(identity: Identity, shaping: Shaping): Promise<void>;
  /** Tap first, then its rules and shaping: a guard is never lifted while a machine could send. */
  remove(identity: Identity): Promise<void>;
  /**
   * Removes taps, rules and shaping devices of this installation (its tag, see machine/ids.ts) unless
   * `isKnown` says of the tap that an instance has it, asked after the listing. Returns what went.
   */
  collect(isKnown: (tap: TapName) => boolean): Promise<readonly string[]>;
  /** Stops listening; the host's network stays as it is. */
  close(): Promise<void>;
};

/** A network that holds on to a watcher. Taps, rules and shaping stay when it is closed. */
export type OpenNetwork = Network & {
  /** What keeps guests from working although nothing failed, with the way out; for `doctor` and the log. */
  problems(): Promise<readonly string[]>;
  close(): Promise<void>;
};

/** Addresses of the pool, one per instance for life. In memory; rebuilt from the records at start. */
export type AddressPool = {
  /** The address of this key: the same on each call until it is released. Throws `AddressPoolExhausted`. */
  lease(key: InstanceKey): Lease;
  /** Takes note of an address that a record holds. Throws `AddressClash` when another key has it. */
  adopt(key: InstanceKey, ip: string): void;
  release(key: InstanceKey): void;
};

/** `index` is the address's offset in the pool, unique per instance. */
export type Lease = {
  readonly ip: string;
  readonly gateway: string;
  readonly mac: string;
  readonly index: number;
};
