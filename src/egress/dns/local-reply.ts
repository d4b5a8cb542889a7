import { isIP } from 'node:net';
import { NOERROR, NOTIMP, NXDOMAIN, REFUSED, emptyReply } from './message.ts';
import type { Question, Reply } from './message.ts';

const A = 1;
const OPT = 41;
const SVCB = 64;
const HTTPS = 65;
const AAAA = 28;
/** TKEY, TSIG, IXFR, AXFR, MAILB, MAILA and ANY (RFC 6895 section 3.1): transfers, signatures, everything at once. */
const FIRST_META = 249;
const LAST_META = 255;
/** No top-level domain is a number; `127.1` and `0x7f.1` are addresses to some who would read the answer. */
const NUMERIC = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/i;
/** Short: the table changes with the process. */
const TTL_SECONDS = 5;

/** What is answered without asking anybody; undefined for what has to be asked. */
export function localReply(
  question: Question,
  hosts: ReadonlyMap<string, readonly string[]>,
): Reply | undefined {
  const { name, type, isInternet, edns } = question;
  // BADVERS has no room in this header; a client that gets NOTIMP asks again without (RFC 6891 section 7).
  if (edns !== undefined && edns.version !== 0) return emptyReply(NOTIMP);
  if (!isInternet || isMeta(type)) return emptyReply(REFUSED);
  if (type === SVCB || type === HTTPS) return emptyReply(NOERROR);
  if (NUMERIC.test(name)) return emptyReply(NXDOMAIN);
  const addresses = hosts.get(name.toLowerCase());
  return addresses === undefined ? undefined : replyFrom(question, addresses);
}

function isMeta(type: number): boolean {
  return type === 0 || type === OPT || (type >= FIRST_META && type <= LAST_META);
}

function replyFrom({ name, type }: Question, addresses: readonly string[]): Reply {
  const wanted = (family: number) => addresses.filter((address) => isIP(address) === family);
  const same = { name, ttl: TTL_SECONDS, class: 'IN' } as const;
  const four = type === A ? wanted(4).map((data) => ({ ...same, type: 'A', data }) as const) : [];
  const six = type === AAAA ? wanted(6).map((data) => ({ ...same, type: 'AAAA', data }) as const) : [];
  return { code: NOERROR, answers: [...four, ...six], authorities: [] };
}
