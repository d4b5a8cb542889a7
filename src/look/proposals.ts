import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import { tapNameFor } from '../machine/ids.ts';
import { ownerFor } from '../machine/owner.ts';
import type { Identity } from '../machine/record.ts';
import type { AddressPool } from '../network/network.ts';

/** Identities of instances to come, one per key until it is recorded or given up. */
export type Proposals = {
  /** The same answer for the same key. Throws `AddressPoolExhausted`. */
  of(key: InstanceKey): Identity;
  /** The key is recorded or no longer wanted. */
  settle(key: InstanceKey): void;
};

type ProposalSources = {
  readonly addresses: Pick<AddressPool, 'lease'>;
  readonly newId: () => InstanceId;
  readonly newSalt: () => string;
  readonly tag: string;
};

export function openProposals({ addresses, newId, newSalt, tag }: ProposalSources): Proposals {
  const proposed = new Map<InstanceKey, Identity>();
  return {
    of: (key) => {
      const known = proposed.get(key);
      if (known !== undefined) return known;
      const { ip, gateway, mac, index } = addresses.lease(key);
      const id = newId();
      const identity = {
        id,
        ip,
        gateway,
        mac,
        tap: tapNameFor(id, tag),
        owner: ownerFor(index),
        salt: newSalt(),
      };
      proposed.set(key, identity);
      return identity;
    },
    settle: (key) => {
      proposed.delete(key);
    },
  };
}
