import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandOutput } from '../../src/host/exec.ts';
import type { Authority } from '../../src/machine/egress.ts';

/** A CA, and the certificate of a server that it signed: of api.example.com and localhost. */
export type TestCa = { readonly authority: Authority; readonly leaf: string; readonly leafKey: string };

/** Self-signed P-256, for tests that need no more than the shape of one. */
export const SHAPE_CA = `-----BEGIN CERTIFICATE-----
MIIBpDCCAUugAwIBAgIUbRYADYbdkzqsh8ihfGLRtDd1SwQwCgYIKoZIzj0EAwIw
KDEXMBUGA1UECgwOaHlwZW1hbiBlZ3Jlc3MxDTALBgNVBAMMBHVuaXQwHhcNMjYx
MTIyMDcyNTM4WhcNMzYxMTE5MDcyNTM4WjAoMRcwFQYDVQQKDA5oeXBlbWFuIGVn
cmVzczENMAsGA1UEAwwEdW5pdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEZi
KMX/yhSsKoRMoYBJmFRPgyL2hpbjWEzBEP3D8YVBgHKVDkz/MkgB4MfOZ2K7GvdX
Lao3O305Dufj9GELvrGjUzBRMB0GA1UdDgQWBBTlxww75W+3RrqGAjEE/A337UmA
ijAfBgNVHSMEGDAWgBTlxww75W+3RrqGAjEE/A337UmAijAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCICkBS0QSFqf1LMKM4ynkiCryg1vw5syQXYa6
5wVCj78dAiAzRg47h/4+PTf5EdIiIwrBNWdQfanTS5kgw2tA7zI/TA==
-----END CERTIFICATE-----
`;

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Made by openssl, not by the code of the egress proxy. `subject` as in `/O=hypeman egress/CN=one`. */
export async function makeCa(subject: string): Promise<TestCa> {
  const directory = await mkdtemp(join(tmpdir(), 'hypeman-ca-'));
  const inside = { cwd: directory };
  try {
    const usage = ['-addext', 'keyUsage=critical,keyCertSign', '-days', '30'];
    const self = ['-x509', ...EC, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', subject, '-utf8'];
    await commandOutput('openssl', ['req', ...self, ...usage], inside);
    const wish = [...EC, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/CN=api.example.com'];
    await commandOutput('openssl', ['req', ...wish], inside);
    await writeFile(join(directory, 'leaf.ext'), 'subjectAltName=DNS:api.example.com,DNS:localhost\n');
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-out', 'leaf.pem', '-extfile', 'leaf.ext'];
    await commandOutput('openssl', ['x509', '-req', '-in', 'leaf.csr', '-days', '9', ...signed], inside);
    const certificate = await readFile(join(directory, 'ca.pem'), 'utf8');
    const fingerprint = new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
    return {
      authority: { certificate, fingerprint },
      leaf: await readFile(join(directory, 'leaf.pem'), 'utf8'),
      leafKey: await readFile(join(directory, 'leaf.key'), 'utf8'),
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}
