import { Duplex, PassThrough } from 'node:stream';
import { FROM_GUEST, FROM_HOST, encodeFrame } from '../../src/guest/protocol.ts';

/** Two ends of one wire in memory: what is written to one is read from the other. */
export function wire(): { readonly host: Duplex; readonly guest: Duplex } {
  const there = new PassThrough();
  const back = new PassThrough();
  const end = (from: PassThrough, to: PassThrough): Duplex => {
    const duplex = new Duplex({
      read() {
        from.resume();
      },
      write(chunk: Buffer, _encoding, callback) {
        if (to.write(chunk)) callback();
        else to.once('drain', callback);
      },
      destroy(error, callback) {
        to.end();
        callback(error);
      },
    });
    from.on('data', (chunk: Buffer) => {
      if (!duplex.push(chunk)) from.pause();
    });
    from.on('end', () => duplex.destroy());
    return duplex;
  };
  return { host: end(back, there), guest: end(there, back) };
}

/** The bytes of a STATE frame. */
export function stateBytes(
  program: number,
  parts: {
    readonly code?: number;
    readonly elapsed?: number;
    readonly message?: string;
    readonly agent?: boolean;
    readonly trust?: number;
    readonly held?: number;
    /** The records at the end of a guest's that has started. */
    readonly identity?: string;
  } = {},
): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt8(program, 0);
  head.writeUInt8(parts.agent === false ? 0 : 1, 1);
  head.writeUInt8(parts.code === undefined ? 0 : 1, 2);
  head.writeUInt8(parts.trust ?? 0, 3);
  head.writeUInt32LE(parts.code ?? 0, 4);
  if (program === 1) head.writeUInt32LE(startedWord(parts), 4);
  head.writeBigUInt64LE(BigInt(parts.elapsed ?? 0), 8);
  return Buffer.concat([head, Buffer.from(parts.message ?? ''), Buffer.from(identityText(parts), 'latin1')]);
}

type Identified = { readonly held?: number; readonly identity?: string };

function identityText({ identity = '' }: Identified): string {
  return identity;
}

function startedWord({ held = 0, identity = '' }: Identified): number {
  return identity.length * 0x1_0000 + held;
}

export type ScriptedEnd = {
  readonly heard: { type: number; stream: number; payload: Buffer }[];
  say(type: number, stream: number, payload?: Uint8Array): void;
  raw(bytes: Uint8Array): void;
  hangUp(): void;
};

/**
 * Init's end of a wire, by script: answers hello (after `stale` bytes of an earlier life), then only
 * says what the test says.
 */
export function scriptedEnd(
  guest: Duplex,
  options: { readonly stale?: Buffer; readonly mute?: boolean } = {},
): ScriptedEnd {
  const heard: { type: number; stream: number; payload: Buffer }[] = [];
  let held = Buffer.alloc(0);
  const say = (type: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): void => {
    guest.write(encodeFrame(type, stream, payload));
  };
  guest.on('error', () => undefined);
  guest.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length > 0) {
      const zeros = held.findIndex((byte) => byte !== 0);
      if (zeros > 8) held = held.subarray(zeros);
      if (held.length < 9 || held.length < 9 + held.readUInt32LE(0)) return;
      const frame = {
        type: held.readUInt8(8),
        stream: held.readUInt32LE(4),
        payload: held.subarray(9, 9 + held.readUInt32LE(0)),
      };
      held = held.subarray(9 + frame.payload.length);
      heard.push(frame);
      if (frame.type !== FROM_HOST.hello || options.mute === true) continue;
      if (options.stale !== undefined) guest.write(options.stale);
      say(FROM_GUEST.hello, 0, frame.payload);
    }
  });
  return { heard, say, raw: (bytes) => guest.write(bytes), hangUp: () => guest.destroy() };
}
