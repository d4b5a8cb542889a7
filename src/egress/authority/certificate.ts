import { createHash, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import {
  bitString,
  boolean,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  utf8String,
} from './der.ts';
import type { Der } from './der.ts';
import type { HostName } from './host-name.ts';

/** From and to, milliseconds since the epoch. */
export type Validity = { readonly notBefore: number; readonly notAfter: number };

/** What signs leaves: the subject and the key identifier are copied into each, byte for byte. */
export type Issuer = { readonly subject: Der; readonly keyId: Buffer; readonly privateKey: KeyObject };

/** A key pair's public half as certificates carry it (SubjectPublicKeyInfo, DER). */
export type PublicKey = { readonly spki: Der; readonly keyId: Buffer };

/** ecdsa-with-SHA256 (RFC 5758 section 3.2); no parameters. */
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));
const COMMON_NAME = objectIdentifier('2.5.4.3');
const ORGANIZATION = objectIdentifier('2.5.4.10');
const SUBJECT_KEY_IDENTIFIER = objectIdentifier('2.5.29.14');
const KEY_USAGE = objectIdentifier('2.5.29.15');
const SUBJECT_ALT_NAME = objectIdentifier('2.5.29.17');
const BASIC_CONSTRAINTS = objectIdentifier('2.5.29.19');
const AUTHORITY_KEY_IDENTIFIER = objectIdentifier('2.5.29.35');
const EXTENDED_KEY_USAGE = objectIdentifier('2.5.29.37');
const SERVER_AUTH = objectIdentifier('1.3.6.1.5.5.7.3.1');
const VERSION_3 = explicit(0, integer(Buffer.of(2)));

/** Bits 0 digitalSignature, 5 keyCertSign and 6 cRLSign (RFC 5280 section 4.2.1.3), as DER trims them. */
const SIGNS = bitString(Buffer.of(0x80), 7);
const SIGNS_CERTIFICATES = bitString(Buffer.of(0x06), 1);
const ub_common_name = 64;
const IS_CA_WITHOUT_SUB_CAS = sequence(boolean(true), integer(Buffer.of(0)));
/** CA:FALSE is the default, and DER leaves defaults out. */
const IS_NO_CA = sequence();
const ORGANIZATION_NAME = attribute(ORGANIZATION, 'hypeman egress');
const LEAF_EXTENSIONS = Buffer.concat([
  extension(BASIC_CONSTRAINTS, IS_NO_CA, true),
  extension(KEY_USAGE, SIGNS, true),
  extension(EXTENDED_KEY_USAGE, sequence(SERVER_AUTH)),
]);

export function publicKeyOf(key: KeyObject): PublicKey {
  const spki = key.export({ type: 'spki', format: 'der' });
  // RFC 7093 section 2, method 1 in spirit: 160 bits that are the key's own; nobody recomputes them.
  return { spki, keyId: createHash('sha256').update(spki).digest().subarray(0, 20) };
}

/** `O=hypeman egress, CN=…`; a longer name than X.520 allows is left out, the alternative name has it. */
export function subjectOf(commonName: string): Der {
  const fits = Buffer.byteLength(commonName) <= ub_common_name;
  return sequence(ORGANIZATION_NAME, ...(fits ? [attribute(COMMON_NAME, commonName)] : []));
}

/** A self-signed CA for leaves only, strict enough for X509_STRICT (RFC 5280 section 4.2). Returns DER. */
export function caCertificate(issuer: Issuer, key: PublicKey, serial: Uint8Array, validity: Validity): Der {
  const extensions = Buffer.concat([
    extension(BASIC_CONSTRAINTS, IS_CA_WITHOUT_SUB_CAS, true),
    extension(KEY_USAGE, SIGNS_CERTIFICATES, true),
    extension(SUBJECT_KEY_IDENTIFIER, octetString(issuer.keyId)),
    extension(AUTHORITY_KEY_IDENTIFIER, sequence(implicit(0, issuer.keyId))),
  ]);
  return signed(issuer, [serial, validity, issuer.subject, key, extensions]);
}

/** A server's certificate for exactly this host. Returns DER. */
export function leafCertificate(
  issuer: Issuer,
  leaf: { readonly host: HostName; readonly key: PublicKey },
  serial: Uint8Array,
  validity: Validity,
): Der {
  const extensions = Buffer.concat([
    LEAF_EXTENSIONS,
    extension(SUBJECT_KEY_IDENTIFIER, octetString(leaf.key.keyId)),
    extension(AUTHORITY_KEY_IDENTIFIER, sequence(implicit(0, issuer.keyId))),
    extension(SUBJECT_ALT_NAME, sequence(generalName(leaf.host))),
  ]);
  return signed(issuer, [serial, validity, subjectOf(leaf.host.name), leaf.key, extensions]);
}

type Body = readonly [
  serial: Uint8Array,
  validity: Validity,
  subject: Der,
  key: PublicKey,
  extensions: Uint8Array,
];

/** TBSCertificate and Certificate of RFC 5280 section 4.1. */
function signed(issuer: Issuer, [serial, validity, subject, key, extensions]: Body): Der {
  const body = sequence(
    VERSION_3,
    integer(serial),
    ECDSA_WITH_SHA256,
    issuer.subject,
    sequence(time(validity.notBefore), time(validity.notAfter)),
    subject,
    key.spki,
    explicit(3, sequence(Buffer.from(extensions))),
  );
  return sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, issuer.privateKey)));
}

/** dNSName [2] or iPAddress [7] (RFC 5280 section 4.2.1.6). */
function generalName(host: HostName): Der {
  return host.is === 'dns' ? implicit(2, Buffer.from(host.name, 'ascii')) : implicit(7, host.bytes);
}

function attribute(type: Der, value: string): Der {
  return setOf(sequence(type, utf8String(value)));
}

function extension(type: Der, value: Der, isCritical = false): Der {
  return sequence(type, ...(isCritical ? [boolean(true)] : []), octetString(value));
}
