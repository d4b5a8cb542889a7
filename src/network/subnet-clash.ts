import { HypemanError } from '../errors.ts';
import { tapOf } from './device-names.ts';
import { cidrOf, overlaps } from './ipv4.ts';
import type { Subnet } from './ipv4.ts';
import { objectsIn, textOf } from './json.ts';
import { outputOf } from './listing.ts';
import type { NetworkHost } from './network-host.ts';

/**
 * Throws `AddressClash` when this host routes a part of the pool to somewhere else or has an address in it
 * (the table `local` holds those). The default route is everybody's, and our own devices' are ours.
 */
export async function refuseClash(host: NetworkHost, subnet: Subnet, tag: string): Promise<void> {
  const text = await outputOf(host, 'ip', ['-json', '-4', 'route', 'show', 'table', 'all']);
  for (const route of objectsIn(text, 'ip')) {
    const destination = textOf(route.dst);
    const device = textOf(route.dev);
    const network = cidrOf(destination);
    if (network === undefined || network.bits === 0 || tapOf(device, tag) !== undefined) continue;
    if (!overlaps(subnet, network)) continue;
    throw new HypemanError(
      'invalid',
      'AddressClash',
      `the guests' network ${subnet.text} clashes with this host's route to ${destination}${device === '' ? '' : ` over ${device}`}: choose a free network with --subnet`,
    );
  }
}
