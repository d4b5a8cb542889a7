import { decode, encode } from 'dns-packet';
import type { Answer, DecodedPacket } from 'dns-packet';
import { createSocket } from 'node:dgram';
import type { RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { NameServer } from '../../src/egress/dns/ask-server.ts';

export type Asking = {
  readonly packet: DecodedPacket;
  readonly over: 'udp' | 'tcp';
  readonly from: RemoteInfo | undefined;
  /** Sends bytes to the asker, as they are, as often as one likes. */
  say(bytes: Buffer): void;
};

export type NameServerEnd = NameServer & { readonly asked: Asking[]; close(): Promise<void> };

/** The answer with these records to a question. */
export function answerWith(
  { packet }: Asking,
  answers: readonly Answer[],
  more: { readonly flags?: number; readonly id?: number } = {},
): Buffer {
  const { questions = [], id = 0 } = packet;
  return encode({
    type: 'response',
    id: more.id ?? id,
    flags: 0x0180 | (more.flags ?? 0),
    questions,
    answers: [...answers],
  });
}

/** A name server, UDP and TCP, that says what it is told to. */
export async function openNameServer(
  address: string,
  onQuestion: (asking: Asking) => void,
): Promise<NameServerEnd> {
  const asked: Asking[] = [];
  const hear = (asking: Asking): void => {
    asked.push(asking);
    onQuestion(asking);
  };
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes: Buffer) => {
      const say = (message: Buffer): void => {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(message.length);
        // In pieces, as a network might have it.
        socket.write(length);
        socket.write(message.subarray(0, 20));
        setTimeout(() => socket.write(message.subarray(20)), 5);
      };
      hear({ packet: decode(bytes.subarray(2)), over: 'tcp', from: undefined, say });
    });
  }).listen(0, address);
  await once(tcp, 'listening');
  const bound = tcp.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const udp = createSocket('udp4');
  udp.on('message', (bytes, from) => {
    const say = (message: Buffer): void => {
      udp.send(message, from.port, from.address);
    };
    hear({ packet: decode(bytes), over: 'udp', from, say });
  });
  udp.bind({ port, address });
  await once(udp, 'listening');
  return {
    ...{ address, port, asked },
    close: async () => {
      udp.close();
      await new Promise((done) => tcp.close(done));
    },
  };
}
