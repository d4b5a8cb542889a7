import { readFile } from 'node:fs/promises';
import { createSecureContext, rootCertificates } from 'node:tls';
import type { SecureContext } from 'node:tls';

/** Debian's and Alpine's bundle, then the one of RHEL-like systems. */
export const BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/**
 * The certificates this host trusts, read once into one context: with `ca:` in the options Node builds a
 * context per connection, which blocks the event loop for 31 ms (facts/egress.md 3.3).
 */
export async function loadTrustStore(bundles: readonly string[] = BUNDLES): Promise<SecureContext> {
  for (const bundle of bundles) {
    const ca = await readFile(bundle, 'utf8').catch(() => '');
    if (ca.includes('BEGIN CERTIFICATE')) return trustStoreOf(ca);
  }
  return trustStoreOf([...rootCertificates]);
}

/** A client's context that trusts these certificates (PEM) alone. */
export function trustStoreOf(ca: string | string[]): SecureContext {
  return createSecureContext({ ca, minVersion: 'TLSv1.2' });
}
