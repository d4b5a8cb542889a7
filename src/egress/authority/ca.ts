import { X509Certificate, createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { ensureDirectory, readIfThere, removeTree, writeAtomically } from '../../host/files.ts';
import { caCertificate, publicKeyOf, subjectOf } from './certificate.ts';
import type { Issuer } from './certificate.ts';
import { pemOf } from './pem.ts';

/** The CA of one instance: what its guest trusts, and what signs for it. */
export type Ca = { readonly issuer: Issuer; readonly certificate: string };

const DAY_MS = 24 * 3600 * 1000;
/** As long as an instance may live: a guest gets no other CA, and nobody but that guest trusts this one. */
const LIFE_MS = 3650 * DAY_MS;
/** A guest's clock may run behind; a restored one does until it is set. */
export const BACKDATED_MS = DAY_MS;
/** A CA so near its end is replaced while the instance is still told of it. */
const LEAST_REST_MS = 30 * DAY_MS;

/** 128 random bits below 2^127, never zero: positive, unique, nothing to guess (RFC 5280 section 4.1.2.2). */
export function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/**
 * The CA kept under `<directory>/<instance>`, or a new one, kept there before it is returned: it must
 * outlive this process, since the guest trusts it already. Files that do not fit together, or that are
 * about to expire, count as none; the guest has to be given the new certificate then.
 */
export async function keptCa(directory: string, instance: string, now: number): Promise<Ca> {
  const own = `${directory}/${instance}`;
  const [key, certificate] = await Promise.all([readIfThere(`${own}/ca.key`), readIfThere(`${own}/ca.crt`)]);
  const kept = key === undefined || certificate === undefined ? undefined : fitting(key, certificate, now);
  if (kept !== undefined) return kept;
  const made = newCa(instance, now);
  await ensureDirectory(own, 0o700);
  // In any order: a crash between them leaves files that do not fit, and nobody was told of this CA yet.
  await Promise.all([
    writeAtomically(`${own}/ca.key`, made.key),
    writeAtomically(`${own}/ca.crt`, made.ca.certificate),
  ]);
  return made.ca;
}

export async function removeCa(directory: string, instance: string): Promise<void> {
  await removeTree(`${directory}/${instance}`);
}

/** A CA of this moment; `key` is its private key, PKCS #8 in PEM. */
export function newCa(instance: string, now: number): { readonly ca: Ca; readonly key: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKeyOf(publicKey);
  const issuer = { subject: caSubject(instance, key.keyId), keyId: key.keyId, privateKey };
  const validity = { notBefore: now - BACKDATED_MS, notAfter: now + LIFE_MS };
  const certificate = pemOf('CERTIFICATE', caCertificate(issuer, key, newSerial(), validity));
  return { ca: { issuer, certificate }, key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) };
}

/** Another subject for another key: some verifiers look for issuers by name alone. */
function caSubject(instance: string, keyId: Buffer): Buffer {
  return subjectOf(`${instance.slice(0, 40)} ${keyId.subarray(0, 8).toString('hex')}`);
}

function fitting(keyPem: string, certificate: string, now: number): Ca | undefined {
  try {
    const privateKey = createPrivateKey(keyPem);
    const parsed = new X509Certificate(certificate);
    if (!parsed.ca || !parsed.checkPrivateKey(privateKey)) return undefined;
    if (parsed.validToDate.getTime() - now < LEAST_REST_MS) return undefined;
    const { keyId } = publicKeyOf(parsed.publicKey);
    const subject = subjectOf(/^CN=(.*)$/m.exec(parsed.subject)?.[1] ?? '');
    // Leaves must name their issuer byte for byte (RFC 5280 section 7.1).
    if (!parsed.raw.includes(subject)) return undefined;
    return { issuer: { subject, keyId, privateKey }, certificate };
  } catch {
    return undefined;
  }
}
