import { isIPv4 } from 'node:net';
import { readIfThere } from '../host/files.ts';

/** In order: what glibc uses, and what systemd-resolved puts behind its stub on 127.0.0.53. */
const RESOLV_CONFS = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/**
 * The host's resolvers that a guest's question can be sent on to: those of the first file that names any.
 * Loopback (a stub of the host's own) and IPv6 are of no use behind our IPv4 translation.
 */
export async function hostResolvers(paths: readonly string[] = RESOLV_CONFS): Promise<readonly string[]> {
  for (const path of paths) {
    const usable = nameserversIn((await readIfThere(path)) ?? '').filter(isUsableResolver);
    if (usable.length > 0) return usable;
  }
  return [];
}

/** Addresses of `nameserver` lines, each once, in their order (resolv.conf(5)). */
export function nameserversIn(text: string): readonly string[] {
  const found = text.split('\n').flatMap((line) => {
    const [word, address] = line.trim().split(/\s+/);
    return word === 'nameserver' && address !== undefined ? [address] : [];
  });
  return [...new Set(found)];
}

export function isUsableResolver(address: string): boolean {
  return isIPv4(address) && !/^(0|127|22[4-9]|2[3-5]\d)\./.test(address);
}
