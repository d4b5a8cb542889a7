/** Distinguished Encoding Rules (ITU-T X.690), as much of them as a certificate needs. */
export type Der = Buffer;

const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;

export function sequence(...parts: readonly Der[]): Der {
  return element(SEQUENCE, Buffer.concat(parts));
}

/** Of one element: the order that DER asks of more is not made here. */
export function setOf(part: Der): Der {
  return element(SET, part);
}

/** `[n]` around a whole element. */
export function explicit(n: number, part: Der): Der {
  return element(CONTEXT | CONSTRUCTED | n, part);
}

/** `[n]` in place of the tag of a primitive. */
export function implicit(n: number, content: Uint8Array): Der {
  return element(CONTEXT | n, content);
}

export function boolean(value: boolean): Der {
  return element(BOOLEAN, Buffer.of(value ? 0xff : 0));
}

/** A non-negative integer, most significant byte first, in as few bytes as it takes. */
export function integer(magnitude: Uint8Array): Der {
  const first = magnitude.findIndex((byte) => byte !== 0);
  const short = first < 0 ? Buffer.of(0) : Buffer.from(magnitude.subarray(first));
  // A leading one would make it negative.
  return element(INTEGER, (short[0] ?? 0) < 0x80 ? short : Buffer.concat([Buffer.of(0), short]));
}

export function octetString(content: Uint8Array): Der {
  return element(OCTET_STRING, content);
}

/** Of whole bytes, or with `unused` zero bits at the end. */
export function bitString(content: Uint8Array, unused = 0): Der {
  return element(BIT_STRING, Buffer.concat([Buffer.of(unused), content]));
}

export function utf8String(text: string): Der {
  return element(UTF8_STRING, Buffer.from(text, 'utf8'));
}

/** `2.5.29.17`; seven bits a byte, the first two numbers in one (X.690 section 8.19). */
export function objectIdentifier(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(OBJECT_IDENTIFIER, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** Milliseconds since the epoch, cut to seconds: UTCTime to 2049, then GeneralizedTime (RFC 5280 section 4.1.2.5). */
export function time(at: number): Der {
  const text = new Date(at).toISOString().replace(/[-:T]|\.\d+/g, '');
  return text < '2050'
    ? element(UTC_TIME, Buffer.from(text.slice(2)))
    : element(GENERALIZED_TIME, Buffer.from(text));
}

function base128(value: number): readonly number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128))
    bytes.unshift(128 + (rest % 128));
  return bytes;
}

function element(tag: number, content: Uint8Array): Der {
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

function lengthOf(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}
