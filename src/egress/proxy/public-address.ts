import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** IANA IPv4 special-purpose registry (RFC 6890), multicast, reserved, and Azure's host agent. */
const NOT_PUBLIC_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/**
 * Inside 2000::/3: protocol assignments with Teredo, documentation, 6to4. All else that carries an IPv4
 * address or stays local (NAT64 64:ff9b::/96 and 64:ff9b:1::/48, fc00::/7, fe80::/10) is outside of it.
 */
const NOT_PUBLIC_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const refused = blockList([...NOT_PUBLIC_V4, ...NOT_PUBLIC_V6]);
const globalUnicast = blockList(['2000::/3']);

/** Whether an address belongs to the public internet, by its number alone. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !refused.check(address, 'ipv4');
  return family === 6 && globalUnicast.check(address, 'ipv6') && !refused.check(address, 'ipv6');
}

/**
 * The same, minus the host's own addresses: the proxy dials from the host, where the guard on the taps does
 * not stand between a guest and a service that listens on a public address of the host. Read anew after
 * `keepMs`, because a host has an interface per instance and listing them is not free.
 */
export function publicAddressGuard(
  ownAddresses: () => ReadonlySet<string> = addressesOfHost,
  keepMs = 5_000,
): (address: string) => boolean {
  let own: ReadonlySet<string> = new Set();
  let readAt = -Infinity;
  return (address) => {
    if (!isPublicAddress(address)) return false;
    const now = performance.now();
    if (now - readAt > keepMs) {
      own = ownAddresses();
      readAt = now;
    }
    return !own.has(address);
  };
}

function addressesOfHost(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((entries) => entries?.map((entry) => entry.address) ?? []),
  );
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
