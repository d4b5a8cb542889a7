import type { Owner } from './machine.ts';

/**
 * The range that systemd leaves to nobody (UIDS-GIDS.md of systemd: above the container range, below
 * 2^31). The first id is the group that may read images and kernels; instances follow.
 */
export const SHARED_GID = 0x7000_0000;

/** The VMM's user of the instance with this address: unique on the host, in no passwd file. */
export function ownerFor(leaseIndex: number): Owner {
  const id = SHARED_GID + 1 + leaseIndex;
  return { uid: id, gid: id, sharedGid: SHARED_GID };
}
