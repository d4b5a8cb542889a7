import type { InstanceCounters } from '../egress/audit-trail.ts';
import { messageOf, reasonOf } from '../errors.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { ControllerClient } from './controller-client.ts';

/** What the egress proxy counted of one instance, as far as it can be asked; without `counters`, nothing yet. */
export type LiveEgress =
  | { readonly is: 'known'; readonly counters?: InstanceCounters }
  | { readonly is: 'unknown'; readonly why: string };

/** Never fails: what cannot be asked is unknown, and why is part of the answer. */
export async function liveEgressOf(
  client: Pick<ControllerClient, 'counters'>,
  key: InstanceKey,
): Promise<LiveEgress> {
  try {
    const counters = await client.counters(key);
    return { is: 'known', ...(counters === undefined ? {} : { counters }) };
  } catch (error) {
    const isAlone = reasonOf(error) === 'NoController';
    return { is: 'unknown', why: isAlone ? 'they need a running controller' : messageOf(error) };
  }
}
