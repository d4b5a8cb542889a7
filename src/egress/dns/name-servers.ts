import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { NameServer } from './ask-server.ts';

const RESOLV_CONF = '/etc/resolv.conf';
const DNS_PORT = 53;
/** A laptop changes networks, a host its DHCP lease. */
const REREAD_MS = 5000;
/** resolv.conf(5), MAXNS. */
const MOST_SERVERS = 3;

/** The servers that questions are forwarded to, in the order they are tried. */
export type NameServers = () => Promise<readonly NameServer[]>;

/** Those the operator named, or else the host's own, loopback ones included: we ask from the host. */
export function openNameServers(named: readonly string[], path = RESOLV_CONF): NameServers {
  if (named.length > 0) {
    const servers = named.map((address) => ({ address, port: DNS_PORT }));
    return () => Promise.resolve(servers);
  }
  let read: Promise<readonly NameServer[]> | undefined;
  let readAt = -Infinity;
  return () => {
    const now = performance.now();
    if (read === undefined || now - readAt > REREAD_MS) {
      readAt = now;
      read = readFile(path, 'utf8').then(nameServersIn, () => nameServersIn(''));
    }
    return read;
  };
}

/** The `nameserver` lines of a resolv.conf(5); without any it is this host. */
export function nameServersIn(text: string): readonly NameServer[] {
  const addresses = [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
  const usable = addresses.filter((address) => isIP(address) !== 0).slice(0, MOST_SERVERS);
  return (usable.length > 0 ? usable : ['127.0.0.1']).map((address) => ({ address, port: DNS_PORT }));
}
