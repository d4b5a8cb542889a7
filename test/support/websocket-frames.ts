import type { Readable } from 'node:stream';

export type WebSocketMessage = { readonly is: 'data' | 'ping' | 'close'; readonly bytes: Buffer };

const OPCODES: Readonly<Record<number, WebSocketMessage['is']>> = {
  1: 'data',
  2: 'data',
  8: 'close',
  9: 'ping',
};

/** A whole binary message of a server, unmasked (RFC 6455, 5.2), whose first byte names a channel. */
export function messageFrame(channel: number, bytes: Buffer): Buffer {
  const length = bytes.length + 1;
  const head = length < 126 ? Buffer.alloc(2) : length < 65_536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x82;
  if (head.length === 2) head[1] = length;
  if (head.length === 4) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  }
  if (head.length === 10) {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, Buffer.from([channel]), bytes]);
}

/** What a client sends: masked, and in our case never fragmented. */
export async function* messagesIn(stream: Readable): AsyncGenerator<WebSocketMessage> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (let found = firstIn(rest); found !== undefined; found = firstIn(rest)) {
      rest = rest.subarray(found.size);
      if (found.message !== undefined) yield found.message;
    }
  }
}

function firstIn(bytes: Buffer): { readonly size: number; readonly message?: WebSocketMessage } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const start = 2 + lengthBytes + 4;
  if (bytes.length < start) return undefined;
  const length =
    lengthBytes === 0 ? short : bytes.readUIntBE(2 + Math.max(0, lengthBytes - 6), Math.min(lengthBytes, 6));
  if (bytes.length < start + length) return undefined;
  const mask = bytes.subarray(start - 4, start);
  const payload = Buffer.from(
    bytes.subarray(start, start + length).map((byte, at) => byte ^ (mask[at % 4] ?? 0)),
  );
  const is = OPCODES[(bytes[0] ?? 0) & 0x0f];
  return { size: start + length, ...(is === undefined ? {} : { message: { is, bytes: payload } }) };
}
