import { SocketAddress, isIP } from 'node:net';

/** A host in the one spelling that is matched, dialled, verified and audited. */
export type Host = { readonly is: 'name' | 'address'; readonly name: string };
export type HostAndPort = { readonly host: Host; readonly port: number | undefined };

/** RFC 1035 section 2.3.4, without the root's dot. */
const LONGEST_NAME = 253;
/** An underscore is no host name, but names with one are served on the web. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** getaddrinfo reads `127.1`, `0x7f.1` and `2130706433` as addresses; no top-level domain looks like that. */
const NUMERIC_LABEL = /^(?:[0-9]+|0x[0-9a-f]*)$/;
const MAPPED = /^::ffff:([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$/;

/**
 * Reads a host as it came over the wire: LDH ASCII, lower-cased, without the final dot, or an address in
 * canonical form. Undefined for everything else. Never the URL standard's parser: it turns circled
 * letters, ideographic dots and `%2e` into other hosts.
 */
export function readHost(text: string): Host | undefined {
  if (isIP(text) !== 0) return readAddress(text);
  // Checked before lower-casing: U+212A (Kelvin) would become a plain k.
  if (!/^[A-Za-z0-9._-]+$/.test(text)) return undefined;
  const name = text.toLowerCase().replace(/\.$/, '');
  const labels = name.split('.');
  if (NUMERIC_LABEL.test(labels.at(-1) ?? '')) return undefined;
  return name.length <= LONGEST_NAME && labels.every((label) => LABEL.test(label))
    ? { is: 'name', name }
    : undefined;
}

/** Reads `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 3986 section 3.2 without userinfo). */
export function readAuthority(text: string): HostAndPort | undefined {
  const parts = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]{1,5}))?$/.exec(text);
  if (parts === null) return undefined;
  const [, bracketed, bare, digits] = parts;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  const host = readHost(bracketed ?? bare ?? '');
  if (host === undefined) return undefined;
  if (digits === undefined) return { host, port: undefined };
  const port = Number(digits);
  return port === 0 || port > 65_535 ? undefined : { host, port };
}

/** How the host is written in a URL or a Host header. */
export function writtenHost(host: Host): string {
  return host.name.includes(':') ? `[${host.name}]` : host.name;
}

/** IPv4 in IPv6 clothes is IPv4: otherwise one address would have two names. */
function readAddress(text: string): Host | undefined {
  if (text.includes('%')) return undefined;
  if (isIP(text) === 4) return { is: 'address', name: text };
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  return { is: 'address', name: MAPPED.exec(address)?.[1] ?? address };
}
