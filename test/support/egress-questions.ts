import { decode, encode } from 'dns-packet';
import type { DecodedPacket, RecordType } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { framed } from '../../src/egress/dns/ask-server.ts';
import type { GuestEnd } from './egress-lab.ts';

export type Seen = {
  readonly code: number;
  readonly data: readonly unknown[];
  readonly packet: DecodedPacket;
};

function seen(bytes: Buffer): Seen {
  const packet = decode(bytes);
  const data = (packet.answers ?? []).map((one) => ('data' in one ? one.data : ''));
  return { code: (packet.flags ?? 0) & 0xf, data, packet };
}

export function query(name: string, type: RecordType = 'A', more: object = {}): Buffer {
  return encode({ type: 'query', id: 77, flags: 0x0100, questions: [{ type, name }], ...more });
}

/** Over UDP; from another address than the guest's nobody waits long. */
export async function ask(guest: GuestEnd, bytes: Buffer, from = guest.address): Promise<Seen | 'nothing'> {
  const socket = createSocket('udp4');
  socket.bind(0, from);
  await once(socket, 'listening');
  socket.send(bytes, guest.ports.dns, guest.policy.gateway);
  const heard = await Promise.race([
    once(socket, 'message') as Promise<[Buffer]>,
    new Promise<void>((done) => setTimeout(done, from === guest.address ? 5000 : 200)),
  ]);
  socket.close();
  return !Array.isArray(heard) ? 'nothing' : seen(heard[0]);
}

/** Byte by byte. */
export async function askOverTcp(guest: GuestEnd, bytes: Buffer): Promise<Seen> {
  const socket = await guest.dial('dns');
  const chunks: Buffer[] = [];
  for (const byte of framed(bytes)) socket.write(Buffer.of(byte));
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer);
    const whole = Buffer.concat(chunks);
    if (whole.length > 2 && whole.length >= 2 + whole.readUInt16BE(0)) return seen(whole.subarray(2));
  }
  throw new Error('closed without an answer');
}
