import { ipv4Number } from '../../src/network/ipv4.ts';
import { ethernet } from './frames.ts';
import type { Ends } from './frames.ts';

/** A TCP SYN with right sums. */
export function synTo({ fromIp, toIp }: Ends, port: number, sequence: number): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(41_000, 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt32BE(sequence, 4);
  segment.writeUInt16BE(0x5002, 12);
  segment.writeUInt16BE(1024, 14);
  const pseudo = Buffer.concat([addressOf(fromIp), addressOf(toIp), Buffer.from([0, 6, 0, 20])]);
  segment.writeUInt16BE(sumOf(Buffer.concat([pseudo, segment])), 16);
  return segment;
}

/** One frame with a whole packet. */
export function packet(ends: Ends, protocol: number, payload: Buffer): string {
  return fragment(ends, { protocol, payload, word: 0x4000, id: 0 });
}

/** The same in fragments of 8 bytes, the least that there is (RFC 791). */
export function fragments(ends: Ends, protocol: number, payload: Buffer, id: number): readonly string[] {
  return Array.from({ length: Math.ceil(payload.length / 8) }, (_, at) => {
    const isLast = (at + 1) * 8 >= payload.length;
    const part = payload.subarray(at * 8, (at + 1) * 8);
    return fragment(ends, { protocol, payload: part, word: (isLast ? 0 : 0x2000) | at, id });
  });
}

type Fragment = {
  readonly protocol: number;
  readonly payload: Buffer;
  /** Flags and offset. */
  readonly word: number;
  readonly id: number;
};

function fragment(ends: Ends, { protocol, payload, word, id }: Fragment): string {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0x4500, 0);
  head.writeUInt16BE(20 + payload.length, 2);
  head.writeUInt16BE(id, 4);
  head.writeUInt16BE(word, 6);
  head.writeUInt16BE((64 << 8) | protocol, 8);
  const header = Buffer.concat([head, addressOf(ends.fromIp), addressOf(ends.toIp)]);
  header.writeUInt16BE(sumOf(header), 10);
  return ethernet(ends.toMac, ends.fromMac, 0x0800, Buffer.concat([header, payload]).toString('hex'));
}

function addressOf(ip: string): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(ipv4Number(ip) ?? 0);
  return bytes;
}

/** RFC 1071. */
function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}
