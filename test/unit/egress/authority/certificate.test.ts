import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { newCa, newSerial } from '../../../../src/egress/authority/ca.ts';
import { caCertificate, leafCertificate, publicKeyOf } from '../../../../src/egress/authority/certificate.ts';
import { time } from '../../../../src/egress/authority/der.ts';
import { parseHostName } from '../../../../src/egress/authority/host-name.ts';
import { pemOf } from '../../../../src/egress/authority/pem.ts';
import { runCommand } from '../../../../src/host/exec.ts';
import { verifyStrictly } from '../../../support/openssl.ts';

const NOW = Date.now();
const HOUR = 3600 * 1000;
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const { ca } = newCa('abcdefghijklmnopqrstuvwx', NOW);
const VALID = { notBefore: NOW - HOUR, notAfter: NOW + HOUR };

function leafFor(host: string): string {
  const leaf = { host: parseHostName(host), key: publicKeyOf(publicKey) };
  return pemOf('CERTIFICATE', leafCertificate(ca.issuer, leaf, newSerial(), VALID));
}

async function textOf(pem: string): Promise<string> {
  const shown = await runCommand('openssl', ['x509', '-noout', '-text', '-certopt', 'no_pubkey,no_sigdump'], {
    input: pem,
  });
  return shown.stdout;
}

test('a leaf is strictly valid for its own name, and for no other', async () => {
  const leaf = leafFor('api.example.com');
  expect(
    await verifyStrictly(ca.certificate, [leaf], ['-verify_hostname', 'api.example.com']),
  ).toBeUndefined();
  expect(await verifyStrictly(ca.certificate, [leaf], ['-verify_hostname', 'example.com'])).toContain(
    'mismatch',
  );
  expect(await verifyStrictly(ca.certificate, [leaf], ['-verify_ip', '192.0.2.1'])).toContain('mismatch');
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8::1', '2001:db8:0:0:0:0:0:1'],
  ['::', '0:0:0:0:0:0:0:0'],
  ['::ffff:192.0.2.7', '::ffff:c000:207'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
])('a leaf for the address %s holds as an address', async (asked, checked) => {
  const leaf = leafFor(asked);
  expect(await verifyStrictly(ca.certificate, [leaf], ['-verify_ip', checked])).toBeUndefined();
  expect(new X509Certificate(leaf).subjectAltName).toMatch(/^IP Address:[^,]*$/);
});

test('a leaf says what strict verifiers ask for', async () => {
  const text = await textOf(leafFor('api.example.com'));
  expect(text).toContain('Version: 3');
  expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
  expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/);
  expect(text).toMatch(/Extended Key Usage: *\s+TLS Web Server Authentication\n/);
  expect(text).toMatch(/Subject Alternative Name: *\s+DNS:api\.example\.com$/);
  expect(text).toContain('Subject Key Identifier');
  expect(text).toContain('Authority Key Identifier');
});

test('a CA signs leaves and nothing else', async () => {
  const text = await textOf(ca.certificate);
  expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
  expect(text).toMatch(/X509v3 Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
  expect(text).toContain('Subject Key Identifier');
  expect(await verifyStrictly(ca.certificate, [ca.certificate], [])).toBeDefined();
});

test('another key under the name of our CA signs nothing that verifies', async () => {
  const below = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKeyOf(below.publicKey);
  const issuer = { subject: ca.issuer.subject, keyId: key.keyId, privateKey: below.privateKey };
  const leaf = { host: parseHostName('a.example.com'), key: publicKeyOf(publicKey) };
  const forged = pemOf('CERTIFICATE', leafCertificate(issuer, leaf, newSerial(), VALID));
  expect(await verifyStrictly(ca.certificate, [forged])).toContain('unable to get local issuer');
});

test("one instance's CA does not vouch for another's leaf", async () => {
  const other = newCa('zyxwvutsrqponmlkjihgfedc', NOW).ca;
  expect(await verifyStrictly(other.certificate, [leafFor('a.example.com')])).toBeDefined();
});

test('two CAs of one instance have different subjects, so that no verifier takes one for the other', () => {
  const subjects = [1, 2].map(() => new X509Certificate(newCa('same', NOW).ca.certificate).subject);
  expect(subjects[0]).not.toBe(subjects[1]);
});

test.each([
  '*.example.com',
  '',
  '.',
  'a..b',
  'a b.example',
  'exämple.com',
  'a%00.b',
  '-a.b',
  'fe80::1%eth0',
  'a,b',
  'x'.repeat(64),
])('no certificate names %j', (host) => {
  expect(() => parseHostName(host)).toThrow(expect.objectContaining({ reason: 'BadHost' }) as Error);
});

test('a name is the same name in capitals and with the dot of the root', () => {
  expect(parseHostName('API.Example.com.').name).toBe('api.example.com');
});

test('the longest name of DNS has a leaf, though it fits into no common name', async () => {
  const label = 'a'.repeat(63);
  const host = `${label}.${label}.${label}.${'b'.repeat(61)}`;
  expect(host).toHaveLength(253);
  const leaf = leafFor(host);
  expect(new X509Certificate(leaf).checkHost(host)).toBe(host);
  expect(await verifyStrictly(ca.certificate, [leaf])).toBeUndefined();
});

test('serials are positive, of 128 bits, and none comes twice', () => {
  const serials = Array.from({ length: 1000 }, () => newSerial());
  expect(new Set(serials.map((serial) => serial.toString('hex'))).size).toBe(1000);
  for (const serial of serials) expect(serial[0]).toBeLessThan(0x80);
});

test('dates change their form in 2050', () => {
  expect(time(Date.UTC(2049, 11, 31, 23, 59, 59)).toString('latin1', 2)).toBe('491231235959Z');
  expect(time(Date.UTC(2050, 0, 1)).toString('latin1', 2)).toBe('20500101000000Z');
});

test('a certificate that outlives 2050 is read with its true end', () => {
  const end = Date.UTC(2055, 5, 1);
  const { publicKey: own, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKeyOf(own);
  const issuer = { ...ca.issuer, keyId: key.keyId, privateKey };
  const der = caCertificate(issuer, key, newSerial(), { notBefore: NOW, notAfter: end });
  expect(new X509Certificate(der).validToDate.getTime()).toBe(end);
});
