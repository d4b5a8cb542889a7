import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import type { Guest } from '../proxy/guest.ts';
import { framed } from './ask-server.ts';
import type { GuestDns } from './guest-dns.ts';

/** RFC 7766 section 6.2.3 leaves it to the server; a resolver in a guest asks at once. */
const IDLE_MS = 10_000;
/** A guest that asks and does not read holds this much of our memory, then no more. */
const MOST_UNSENT = 262_144;

/** Binds UDP on the port that TCP has already. Throws what bind(2) says, EADDRINUSE above all. */
export async function openDnsOverUdp(
  gateway: string,
  port: number,
  serve: { readonly guest: Guest; readonly dns: GuestDns },
): Promise<UdpSocket> {
  const socket = createSocket(isIP(gateway) === 6 ? 'udp6' : 'udp4');
  socket.bind({ address: gateway, port, exclusive: true });
  try {
    await once(socket, 'listening');
  } catch (error) {
    socket.close();
    throw error;
  }
  // A guest that is gone: its answer bounces.
  socket.on('error', () => undefined);
  socket.on('message', (bytes, { address, port: from }) => {
    const { guest, dns } = serve;
    const served = guest.parts.policies.of(guest.instance)?.guest;
    if (address !== served) dns.refuse(served === undefined ? 'PolicyMissing' : 'ForeignAddress', '');
    else
      void dns.answer(bytes, 'udp').then((answer) => {
        if (answer !== undefined && !isClosed(socket)) socket.send(answer, from, address);
      });
  });
  return socket;
}

/** Answers questions on a connection that was let in, until it rests. */
export function serveDnsOverTcp(
  { dns, settled }: { readonly dns: GuestDns; readonly settled: () => void },
  socket: Socket,
): void {
  let unread = Buffer.alloc(0);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.once('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
      const end = 2 + unread.readUInt16BE(0);
      settled();
      void reply(dns, socket, unread.subarray(2, end));
      unread = unread.subarray(end);
    }
  });
}

async function reply(dns: GuestDns, socket: Socket, bytes: Buffer): Promise<void> {
  const answer = await dns.answer(bytes, 'tcp');
  if (answer === undefined || socket.writableLength > MOST_UNSENT) socket.destroy();
  else if (socket.writable) socket.write(framed(answer));
}

/** A closed socket throws at whoever asks for its address. */
function isClosed(socket: UdpSocket): boolean {
  try {
    socket.address();
    return false;
  } catch {
    return true;
  }
}
