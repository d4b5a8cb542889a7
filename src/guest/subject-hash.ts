import { X509Certificate, createHash } from 'node:crypto';

const SEQUENCE = 0x30;
const SET = 0x31;
const VERSION = 0xa0;
const UTF8_STRING = 0x0c;
/** Printable, IA5, visible and T61: what OpenSSL reads byte by byte as text (ASN1_MASK_CANON). */
const NARROW_STRINGS: ReadonlySet<number> = new Set([UTF8_STRING, 0x13, 0x14, 0x16, 0x1a]);

type Element = { readonly tag: number; readonly content: Buffer; readonly whole: Buffer };

/**
 * The name under which OpenSSL looks for this certificate (PEM) in a directory of CAs, eight hex digits, as
 * `openssl x509 -hash` prints it: SHA-1 of the subject in X509_NAME's canonical form (crypto/x509/x_name.c).
 */
export function subjectHash(certificate: string): string {
  const [signed] = elementsOf(new X509Certificate(certificate).raw).flatMap(({ content }) =>
    elementsOf(content),
  );
  const fields = elementsOf(signed?.content ?? Buffer.alloc(0));
  const numbered = fields[0]?.tag === VERSION ? fields.slice(1) : fields;
  // Serial number, algorithm, issuer, validity, subject (RFC 5280 section 4.1).
  const names = elementsOf(numbered[4]?.content ?? Buffer.alloc(0));
  const digest = createHash('sha1');
  for (const name of names) digest.update(element(SET, ...elementsOf(name.content).map(canonical)));
  return digest.digest().readUInt32LE(0).toString(16).padStart(8, '0');
}

/** Lower case, single blanks, in UTF-8: names that only look different are the same. */
function canonical({ content }: Element): Buffer {
  const [type, value] = elementsOf(content);
  if (type === undefined || value === undefined) return Buffer.alloc(0);
  if (!NARROW_STRINGS.has(value.tag)) return element(SEQUENCE, type.whole, value.whole);
  const text = value.content.toString(value.tag === UTF8_STRING ? 'utf8' : 'latin1');
  const plain = text
    .replaceAll(/[\t\n\v\f\r ]+/g, ' ')
    .replaceAll(/^ | $/g, '')
    .replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  return element(SEQUENCE, type.whole, element(UTF8_STRING, Buffer.from(plain)));
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** The elements of DER that node has parsed before: their lengths fit. */
function elementsOf(der: Buffer): readonly Element[] {
  const found: Element[] = [];
  for (let at = 0; at + 2 <= der.length;) {
    const short = der.readUInt8(at + 1);
    const sizeBytes = short < 0x80 ? 0 : short & 0x7f;
    const start = at + 2 + sizeBytes;
    const length = sizeBytes === 0 ? short : der.readUIntBE(at + 2, sizeBytes);
    const end = start + length;
    found.push({ tag: der.readUInt8(at), content: der.subarray(start, end), whole: der.subarray(at, end) });
    at = end;
  }
  return found;
}
