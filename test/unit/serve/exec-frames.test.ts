import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_PAYLOAD_BYTES, encodeBytes, encodeFrame, framesOf } from '../../../src/serve/exec-frames.ts';
import type { ExecFrame } from '../../../src/serve/exec-frames.ts';

const side = fc.integer({ min: 0, max: 65_535 });
const anyFrame: fc.Arbitrary<ExecFrame> = fc.oneof(
  fc.record({
    is: fc.constantFrom('stdin' as const, 'stdout' as const, 'stderr' as const),
    bytes: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  fc.constant({ is: 'stdin-end' as const }),
  fc.record({ is: fc.constant('resize' as const), columns: side, rows: side }),
  fc.record({ is: fc.constant('signal' as const), signal: fc.integer({ min: 0, max: 64 }) }),
  fc.record({ is: fc.constant('exit' as const), code: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ is: fc.constant('fault' as const), reason: fc.string(), message: fc.string() }),
  fc.record({
    is: fc.constant('start' as const),
    request: fc.record(
      {
        argv: fc.array(fc.string(), { minLength: 1 }),
        env: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
        workdir: fc.string(),
        terminal: fc.record({ columns: side, rows: side }),
      },
      { requiredKeys: ['argv', 'env'] },
    ),
  }),
);

test('frames arrive as they were sent, however the stream is cut', async () => {
  const inPieces = fc.tuple(fc.array(anyFrame, { maxLength: 8 }), fc.integer({ min: 1, max: 64 }));
  await fc.assert(
    fc.asyncProperty(inPieces, async ([frames, size]) => {
      const wire = Buffer.concat(frames.map(encodeFrame));
      expect(await collect(piecesOf(wire, size))).toEqual(frames);
    }),
  );
});

test('whatever a stranger sends is a frame or a BadFrame, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (noise) => {
      await collect([Buffer.from(noise)]).catch((error: unknown) => {
        expect(error).toMatchObject({ reason: 'BadFrame' });
      });
    }),
  );
});

test('a frame that announces too much is refused before it is read', async () => {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(MAX_PAYLOAD_BYTES + 1, 1);
  await expect(collect([header])).rejects.toMatchObject({ reason: 'BadFrame' });
});

test('a request without a program is refused', async () => {
  const empty = encodeFrame({ is: 'start', request: { argv: [], env: {} } });
  await expect(collect([empty])).rejects.toThrow('argv');
});

test('a command line that no frame can hold is refused where it is made', () => {
  const request = { argv: ['echo', 'x'.repeat(MAX_PAYLOAD_BYTES)], env: {} };
  expect(() => encodeFrame({ is: 'start', request })).toThrow('longer than 2 MiB');
});

test('long output travels in short frames and loses nothing', async () => {
  const bytes = Buffer.alloc(1_000_000, 'abc');
  const frames = await collect(encodeBytes('stdout', bytes));
  const parts = frames.map((frame) => ('bytes' in frame ? Buffer.from(frame.bytes) : Buffer.alloc(0)));
  expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(64 * 1024);
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
});

async function collect(pieces: Iterable<Uint8Array>): Promise<ExecFrame[]> {
  const frames: ExecFrame[] = [];
  for await (const frame of framesOf(Readable.from(pieces))) frames.push(frame);
  return frames;
}

function* piecesOf(wire: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < wire.length; at += size) yield wire.subarray(at, at + size);
}
