import { CHECKING_DISABLED, DNSSEC_OK, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet';
import { TRUNCATED_RESPONSE, decode, encode } from 'dns-packet';
import type { Answer, DecodedPacket, OptAnswer, Packet, Question as DnsQuestion } from 'dns-packet';

/** Response codes of RFC 1035 section 4.1.1. */
export const NOERROR = 0;
export const FORMERR = 1;
export const SERVFAIL = 2;
export const NXDOMAIN = 3;
export const NOTIMP = 4;
export const REFUSED = 5;

export type Question = {
  readonly id: number;
  /** As asked, letter case included, without the final dot. */
  readonly name: string;
  /** The number of RFC 1035 section 3.2.2 and its successors. */
  readonly type: number;
  readonly isInternet: boolean;
  /** The question section, byte for byte. */
  readonly section: Buffer;
  /** The longest answer over UDP that the asker takes, in bytes. */
  readonly udpBytes: number;
  readonly edns: { readonly version: number; readonly isDnssecOk: boolean } | undefined;
  readonly isCheckingDisabled: boolean;
};

/** `noise` cannot be answered, `unfit` gets an answer that says so. */
export type Asked =
  | { readonly is: 'question'; readonly question: Question }
  | { readonly is: 'unfit'; readonly answer: Buffer }
  | { readonly is: 'noise' };

export type Reply = {
  readonly code: number;
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
};

/** What a server's message is to the one who asked: `foreign` is not an answer to it at all. */
export type Told =
  { readonly is: 'reply'; readonly reply: Reply } | { readonly is: 'truncated' } | { readonly is: 'foreign' };

const HEADER_BYTES = 12;
const RESPONSE_BIT = 0x8000;
const OPCODE_BITS = 0x7800;
/** RFC 1035 section 4.2.1. */
const SHORTEST_UDP = 512;
/** What passes every path unfragmented (DNS flag day 2020). */
const LONGEST_UDP = 1232;
/** Service bindings (RFC 9460): they would offer QUIC, other ports and encrypted server names. */
const SERVICE_BINDINGS: ReadonlySet<string> = new Set(['UNKNOWN_64', 'UNKNOWN_65']);

/** Reads a question that came over the wire; dns-packet only sees what has the shape of one. Never throws. */
export function readQuestion(bytes: Buffer): Asked {
  if (bytes.length < HEADER_BYTES || (bytes.readUInt16BE(2) & RESPONSE_BIT) !== 0) return { is: 'noise' };
  if ((bytes.readUInt16BE(2) & OPCODE_BITS) !== 0) return { is: 'unfit', answer: refusalOf(bytes, NOTIMP) };
  const counts = [4, 6, 8].map((at) => bytes.readUInt16BE(at)).join();
  const question = counts === '1,0,0' && bytes.readUInt16BE(10) < 2 ? questionIn(bytes) : undefined;
  return question === undefined
    ? { is: 'unfit', answer: refusalOf(bytes, FORMERR) }
    : { is: 'question', question };
}

/** An answer without a question, for a message that may not even hold one. Undefined for less than a header. */
export function bareRefusal(bytes: Buffer, code: number): Buffer | undefined {
  if (bytes.length < HEADER_BYTES || (bytes.readUInt16BE(2) & RESPONSE_BIT) !== 0) return undefined;
  return refusalOf(bytes, code);
}

/** The same question in our own words, under another id. */
export function queryFor(question: Question, id: number): Buffer {
  const flags = RECURSION_DESIRED | (question.isCheckingDisabled ? CHECKING_DISABLED : 0);
  const edns = optRecord(question.edns?.isDnssecOk === true);
  const query = encode({ type: 'query', id, flags, additionals: [edns] });
  query.writeUInt16BE(1, 4);
  return Buffer.concat([query.subarray(0, HEADER_BYTES), question.section, query.subarray(HEADER_BYTES)]);
}

/** Reads what a server sent: an answer has our id and our question (RFC 5452 section 9.1). Never throws. */
export function readReply(bytes: Buffer, query: Buffer, question: Question): Told {
  if (!isAnswerTo(bytes, query, question.section)) return { is: 'foreign' };
  if ((bytes.readUInt16BE(2) & TRUNCATED_RESPONSE) !== 0) return { is: 'truncated' };
  const packet = decoded(bytes);
  if (packet === undefined) return { is: 'reply', reply: emptyReply(SERVFAIL) };
  const { answers = [], authorities = [], additionals = [], flags = 0 } = packet;
  const hasExtendedCode = additionals.some((one) => isOpt(one) && one.extendedRcode !== 0);
  const reply = {
    code: hasExtendedCode ? SERVFAIL : flags & 0xf,
    answers: answers.filter(isPassedOn),
    authorities: authorities.filter((one) => isPassedOn(one) && !isAddress(one)),
  };
  return { is: 'reply', reply };
}

function isAnswerTo(bytes: Buffer, query: Buffer, section: Buffer): boolean {
  return (
    bytes.length >= HEADER_BYTES + section.length &&
    bytes.readUInt16BE(0) === query.readUInt16BE(0) &&
    (bytes.readUInt16BE(2) & (RESPONSE_BIT | OPCODE_BITS)) === RESPONSE_BIT &&
    bytes.readUInt16BE(4) === 1 &&
    isSameQuestion(bytes.subarray(HEADER_BYTES, HEADER_BYTES + section.length), section)
  );
}

/**
 * The answer to a guest, written anew: what our parser did not see cannot be in it. Beyond `longest` bytes
 * it holds what fits and says that it is cut.
 */
export function answerTo(question: Question, reply: Reply, longest: number): Buffer {
  const whole = answerOf(question, reply, 0);
  if (whole.length <= longest) return whole;
  for (let kept = reply.answers.length; kept > 0; kept = Math.floor(kept / 2)) {
    const cut = { code: reply.code, answers: reply.answers.slice(0, kept), authorities: [] };
    const bytes = answerOf(question, cut, TRUNCATED_RESPONSE);
    if (bytes.length <= longest) return bytes;
  }
  return answerOf(question, { code: reply.code, answers: [], authorities: [] }, TRUNCATED_RESPONSE);
}

/** An answer of ours without any record. */
export function emptyReply(code: number): Reply {
  return { code, answers: [], authorities: [] };
}

/** The addresses that an answer holds. */
export function addressesIn({ answers }: Reply): readonly string[] {
  return answers.flatMap((one) => (one.type === 'A' || one.type === 'AAAA' ? [one.data] : []));
}

function questionIn(bytes: Buffer): Question | undefined {
  const packet = decoded(bytes);
  if (packet === undefined) return undefined;
  const [asked] = packet.questions ?? [];
  const [extra] = packet.additionals ?? [];
  const section = asked === undefined ? undefined : sectionOf(asked);
  // Pointers, labels with a dot in them or bytes that are no text would become another question with us.
  const isPlain = section?.equals(bytes.subarray(HEADER_BYTES, HEADER_BYTES + section.length)) === true;
  if (asked === undefined || !isPlain || !isOptOrNone(extra)) return undefined;
  return {
    id: bytes.readUInt16BE(0),
    name: asked.name.replace(/\.$/, ''),
    type: section.readUInt16BE(section.length - 4),
    isInternet: section.readUInt16BE(section.length - 2) === 1,
    section,
    udpBytes: udpBytesOf(extra),
    edns: extra === undefined ? undefined : { version: extra.ednsVersion, isDnssecOk: extra.flag_do },
    isCheckingDisabled: packet.flag_cd,
  };
}

function sectionOf(asked: DnsQuestion): Buffer | undefined {
  return encoded({ questions: [asked] })?.subarray(HEADER_BYTES);
}

function udpBytesOf(edns: OptAnswer | undefined): number {
  return Math.min(LONGEST_UDP, Math.max(SHORTEST_UDP, edns?.udpPayloadSize ?? 0));
}

function answerOf(question: Question, reply: Reply, flags: number): Buffer {
  const { edns } = question;
  const packet: Packet = {
    type: 'response',
    id: question.id,
    flags: flags | RECURSION_DESIRED | RECURSION_AVAILABLE | reply.code,
    answers: [...reply.answers],
    authorities: [...reply.authorities],
    additionals: edns === undefined ? [] : [optRecord(edns.isDnssecOk)],
  };
  const bytes = encoded(packet) ?? refusalBytes(question.id, SERVFAIL);
  bytes.writeUInt16BE(1, 4);
  return Buffer.concat([bytes.subarray(0, HEADER_BYTES), question.section, bytes.subarray(HEADER_BYTES)]);
}

function optRecord(isDnssecOk: boolean): OptAnswer {
  const flags = isDnssecOk ? DNSSEC_OK : 0;
  const sizes = { udpPayloadSize: LONGEST_UDP, extendedRcode: 0, ednsVersion: 0 };
  return { type: 'OPT', name: '.', ...sizes, flags, flag_do: isDnssecOk, options: [] };
}

function refusalOf(bytes: Buffer, code: number): Buffer {
  return refusalBytes(bytes.readUInt16BE(0), code);
}

function refusalBytes(id: number, code: number): Buffer {
  return encode({ type: 'response', id, flags: RECURSION_AVAILABLE | code });
}

/** Letter case is the server's to keep or to lose. */
function isSameQuestion(one: Buffer, other: Buffer): boolean {
  return one.toString('latin1').toLowerCase() === other.toString('latin1').toLowerCase();
}

function isPassedOn(record: Answer): boolean {
  if (record.type === 'OPT' || SERVICE_BINDINGS.has(record.type)) return false;
  return record.class === 'IN' && record.flush !== true;
}

function isAddress(record: Answer): boolean {
  return record.type === 'A' || record.type === 'AAAA';
}

function isOptOrNone(record: Answer | undefined): record is OptAnswer | undefined {
  return record === undefined || isOpt(record);
}

function isOpt(record: Answer): record is OptAnswer {
  return record.type === 'OPT';
}

function decoded(bytes: Buffer): DecodedPacket | undefined {
  try {
    const packet = decode(bytes);
    // It reads past the end of a record that was cut, and past its length (dns-packet 5.6, tested).
    return decode.bytes <= bytes.length ? packet : undefined;
  } catch {
    return undefined;
  }
}

function encoded(packet: Packet): Buffer | undefined {
  try {
    return encode(packet);
  } catch {
    return undefined;
  }
}
