import fc from 'fast-check';
import { expect, test } from 'vitest';
import { guestStateFrom } from '../../../src/guest/guest-words.ts';
import {
  FRAME_HEADER,
  FRAME_MAX,
  FROM_GUEST,
  FrameDecoder,
  PROTOCOL_VERSION,
  encodeFrame,
  numberBytes,
} from '../../../src/guest/protocol.ts';
import type { Frame } from '../../../src/guest/protocol.ts';

const nonce = Buffer.alloc(16, 0xa5);
const answer = encodeFrame(FROM_GUEST.hello, 0, Buffer.concat([numberBytes(PROTOCOL_VERSION), nonce]));
const someFrames = fc.array(
  fc.record({
    type: fc.constantFrom(...Object.values(FROM_GUEST)),
    stream: fc.nat(0xffffffff),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 12 },
);

/** Cuts bytes into chunks of the given sizes, over and over. */
function chunks(bytes: Buffer, sizes: readonly number[]): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts;
}
const someSizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 });

test('what was encoded is decoded, in any chunks, after any rubbish of an earlier life', () => {
  fc.assert(
    fc.property(someFrames, someSizes, fc.uint8Array({ maxLength: 500 }), (frames, sizes, rubbish) => {
      const decoder = new FrameDecoder(nonce);
      const bytes = Buffer.concat([
        rubbish,
        answer,
        ...frames.map((frame) => encodeFrame(frame.type, frame.stream, frame.payload)),
      ]);
      const seen: Frame[] = [];
      for (const chunk of chunks(bytes, sizes)) {
        const some = decoder.push(chunk);
        expect(some).not.toBe('lost');
        if (some !== 'lost') seen.push(...some);
      }
      expect(seen).toEqual(frames);
    }),
  );
});

test('any bytes in any chunks never throw and are never hoarded; once lost is lost for ever', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), someSizes, fc.boolean(), (rubbish, sizes, inSync) => {
      const decoder = new FrameDecoder(nonce);
      if (inSync) decoder.push(answer);
      let lost = false;
      for (const chunk of chunks(Buffer.from(rubbish), sizes)) {
        const some = decoder.push(chunk);
        if (lost) expect(some).toBe('lost');
        lost = some === 'lost';
        expect(decoder.heldBytes).toBeLessThanOrEqual(FRAME_HEADER + FRAME_MAX + chunk.length);
      }
    }),
  );
});

test('a guest that never answers is given up after 8 MiB of anything', () => {
  const decoder = new FrameDecoder(nonce);
  let pushed = 0;
  while (decoder.push(Buffer.alloc(65_536, 1)) !== 'lost') pushed += 65_536;
  expect(pushed).toBeLessThanOrEqual(9 * 1024 * 1024);
});

test('any words about a state give a state or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(), (bytes, now) => {
      const told = guestStateFrom(Buffer.from(bytes), now, { state: 'silent' });
      if (told?.state === 'started') expect(told.startedAt).toBeLessThanOrEqual(now);
      if (told?.state === 'exited') expect(told.exit.message).not.toMatch(/\p{Cc}/u);
    }),
  );
});
