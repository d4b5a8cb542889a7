import { BlockList, isIP } from 'node:net';
import { HypemanError } from '../errors.ts';
import { openForward } from './dns/forward.ts';
import { openNameServers } from './dns/name-servers.ts';
import type { Outside } from './outside.ts';
import type { Resolve } from './ports.ts';
import type { ProxyOptions } from './proxy/open-proxy.ts';
import { publicAddressGuard } from './proxy/public-address.ts';
import { openResolve } from './proxy/resolve.ts';
import { loadTrustStore } from './proxy/trust-store.ts';

/** The proxy's view of the world. Throws `BadNetwork`. */
export async function worldOf(
  outside: Outside,
): Promise<Pick<ProxyOptions, 'resolve' | 'names' | 'isPublicAddress' | 'trustStore'>> {
  const allowed = networksIn(outside.networks);
  const isPublic = publicAddressGuard();
  const { trustBundle, resolvers = [] } = outside;
  return {
    resolve: withHosts(outside.hosts, openResolve(Date.now, resolvers)),
    names: {
      forward: openForward(openNameServers(resolvers)),
      hosts: new Map(Object.entries(outside.hosts)),
    },
    isPublicAddress: (address) =>
      allowed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4') || isPublic(address),
    ...(trustBundle === undefined ? {} : { trustStore: await loadTrustStore([trustBundle]) }),
  };
}

function withHosts(hosts: Outside['hosts'], resolve: Resolve): Resolve {
  const known = new Map(Object.entries(hosts));
  return async (name) => known.get(name) ?? resolve(name);
}

function networksIn(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = '', ...more] = network.split('/');
    const family = isIP(address);
    const bits = Number(prefix);
    if (family === 0 || more.length > 0 || !/^\d+$/.test(prefix) || bits > (family === 4 ? 32 : 128))
      throw new HypemanError('invalid', 'BadNetwork', `"${network}" is not a network, as 10.9.0.0/16 is`);
    list.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
