import { HypemanError, reasonOf } from '../errors.ts';
import { HostNetwork } from './host-network.ts';
import { parseSubnet } from './ipv4.ts';
import type { OpenNetwork } from './network.ts';
import { thisHost } from './network-host.ts';
import type { NetworkHost } from './network-host.ts';
import { hostResolvers, isUsableResolver } from './resolvers.ts';
import { refuseClash } from './subnet-clash.ts';

export type NetworkSettings = {
  /** The guests' addresses, IPv4 CIDR; 10.100.0.0/16 unless told otherwise. */
  readonly subnet?: string;
  /** Name servers for guests instead of the host's own. */
  readonly dns?: readonly string[];
  /** Where the host's own stand, the first file that names one counts; see resolvers.ts. */
  readonly resolvConfs?: readonly string[];
  /** See `installationTag`. */
  readonly tag: string;
  /** Somebody else changed our table and a guest's guard is open: look again. Not called for our own changes. */
  readonly onForeignChange?: () => void;
  readonly now?: () => number;
  /** How old the answer of `look` may be; it is never older than the last change to that tap. */
  readonly maxAgeMs?: number;
  /** Another network stack than this process's own, for tests. */
  readonly host?: NetworkHost;
};

/**
 * Opens this host's network. Changes nothing on a host without guests of ours; where there are, their table is
 * brought up to date. Throws `InvalidSubnet`, `InvalidNameServer`, and `AddressClash` when the host itself uses
 * a part of the subnet.
 */
export async function openNetwork(settings: NetworkSettings): Promise<OpenNetwork> {
  const { subnet: text = '10.100.0.0/16', dns = [], tag, host = thisHost, maxAgeMs = 1000 } = settings;
  const subnet = parseSubnet(text);
  for (const address of dns) refuseNameServer(address);
  await unlessToolMissing(refuseClash(host, subnet, tag));
  const resolvers = (): Promise<readonly string[]> =>
    dns.length > 0 ? Promise.resolve(dns) : hostResolvers(settings.resolvConfs);
  const network = new HostNetwork(
    {
      ...{ host, tag, subnet, resolvers, maxAgeMs },
      onForeignChange: settings.onForeignChange ?? (() => undefined),
      now: settings.now ?? (() => performance.now()),
    },
    await resolvers(),
  );
  await unlessToolMissing(network.takeOver());
  network.watch();
  return network;
}

/** A host without nft or ip can still be told so: by `doctor`, and by each look in its instance's condition. */
async function unlessToolMissing(task: Promise<void>): Promise<void> {
  try {
    await task;
  } catch (error) {
    if (reasonOf(error) !== 'ToolMissing') throw error;
  }
}

function refuseNameServer(address: string): void {
  if (!isUsableResolver(address))
    throw new HypemanError(
      'invalid',
      'InvalidNameServer',
      `--dns ${address} is not usable: give the IPv4 address of a name server that guests can be sent to, not a loopback one`,
    );
}
