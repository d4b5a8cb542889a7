import type { GuestIdentity } from '../machine/guest.ts';
import type { InstanceId } from '../machine/ids.ts';
import { authorityRecords } from './authority-records.ts';
import type { Refresh } from './guest-links.ts';

/** What init reads of a new identity (identify.c). */
export function identityRecords(
  id: InstanceId,
  { hostname, network, machineId, authority }: GuestIdentity,
  { epochMs, entropy }: Refresh,
): readonly [string, string][] {
  const records: [string, string][] = [
    ['i', id],
    ['h', hostname],
    ['n', machineId],
    ['t', String(Math.round(epochMs))],
    ['r', Buffer.from(entropy.subarray(0, 512)).toString('hex')],
  ];
  if (network !== undefined) records.push(['p', network.ip], ['g', network.gateway], ['m', network.mac]);
  if (authority !== undefined) records.push(...authorityRecords(authority));
  return records;
}
