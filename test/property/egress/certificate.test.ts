import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newCa, newSerial } from '../../../src/egress/authority/ca.ts';
import { leafCertificate, publicKeyOf } from '../../../src/egress/authority/certificate.ts';
import { parseHostName } from '../../../src/egress/authority/host-name.ts';
import { pemOf } from '../../../src/egress/authority/pem.ts';
import { verifyStrictly } from '../../support/openssl.ts';

const now = Date.now();
const { ca } = newCa('instance', now);
const trusted = new X509Certificate(ca.certificate);
const key = publicKeyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
const validity = { notBefore: now - 1000, notAfter: now + 1_000_000 };

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const dnsName = fc
  .array(label, { minLength: 1, maxLength: 8 })
  .map((labels) => [...labels, 'test'].join('.'))
  .filter((name) => name.length <= 253);

function mint(host: string): string {
  const leaf = { host: parseHostName(host), key };
  return pemOf('CERTIFICATE', leafCertificate(ca.issuer, leaf, newSerial(), validity));
}

test('any name has a leaf that names it and nothing else', () => {
  fc.assert(
    fc.property(dnsName, (host) => {
      const leaf = new X509Certificate(mint(host));
      expect(leaf.subjectAltName).toBe(`DNS:${host}`);
      expect(leaf.checkHost(host)).toBe(host);
      expect(leaf.checkHost(`x${host}`)).toBeUndefined();
      expect(leaf.checkIssued(trusted)).toBe(true);
      expect(leaf.verify(trusted.publicKey)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('any address has a leaf that names it and nothing else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (host) => {
      const leaf = new X509Certificate(mint(host));
      expect(leaf.subjectAltName).toMatch(/^IP Address:[^,]+$/);
      expect(leaf.checkIP(host)).toBe(host);
      expect(leaf.checkIP('198.51.100.77')).toBeUndefined();
      expect(leaf.verify(trusted.publicKey)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});

test('openssl accepts thousands of leaves with every strictness it has', async () => {
  const hosts = fc.sample(fc.oneof(dnsName, dnsName, fc.ipV4(), fc.ipV6()), 2500);
  expect(await verifyStrictly(ca.certificate, hosts.map(mint))).toBeUndefined();
}, 60_000);

test('PEM of any length has no empty line', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const pem = pemOf('CERTIFICATE', bytes);
      expect(pem).not.toContain('\n\n');
      expect(Buffer.from(pem.replace(/-----[^\n]*\n/g, ''), 'base64')).toEqual(Buffer.from(bytes));
    }),
  );
});
