import { HypemanError, messageOf } from '../errors.ts';
import { parseExecWords } from './exec-words.ts';
import type { ExecWords } from './exec-words.ts';

/** The token of the HTTP Upgrade (RFC 9110, 7.8) that turns a connection into these frames. */
export const EXEC_PROTOCOL = 'hypeman-exec/1';

/**
 * What travels between a client's `exec` and the controller, both ways on one byte stream. The client
 * sends `start` first and once; the controller ends with `exit` or `fault`.
 */
export type ExecFrame = ExecBytes | ExecWords;

type ExecBytes = { readonly is: 'stdin' | 'stdout' | 'stderr'; readonly bytes: Uint8Array };

/** On the wire: one byte of kind (its place in this list), four of length, big-endian, the payload. */
const KINDS = ['words', 'stdin', 'stdout', 'stderr'] as const;
const HEADER_BYTES = 5;
/** Room for a long argv and environment (Linux gives both 2 MiB together by default, execve(2)). */
export const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;
const SLICE_BYTES = 64 * 1024;

/** One frame in bytes. Throws `FrameTooLong`, which only a monstrous `start` can reach. */
export function encodeFrame(frame: ExecFrame): Uint8Array {
  const isBytes = 'bytes' in frame;
  const payload = isBytes ? frame.bytes : Buffer.from(JSON.stringify(frame));
  if (payload.length > MAX_PAYLOAD_BYTES)
    throw new HypemanError(
      'invalid',
      'FrameTooLong',
      'the command line and its environment are longer than 2 MiB',
    );
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(KINDS.indexOf(isBytes ? frame.is : 'words'), 0);
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

/** Output or input of any length as frames of a bounded one, so that no frame holds up the others. */
export function* encodeBytes(is: 'stdin' | 'stdout' | 'stderr', bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += SLICE_BYTES)
    yield encodeFrame({ is, bytes: bytes.subarray(start, start + SLICE_BYTES) });
}

/** Frames as they arrive. Throws `BadFrame` on the first byte that cannot be right; ends with the stream. */
export async function* framesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ExecFrame> {
  let pending = Buffer.alloc(0);
  for await (const chunk of stream) {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
    for (let length = wholeLengthOf(pending); length > 0; length = wholeLengthOf(pending)) {
      yield decodeFrame(pending.readUInt8(0), pending.subarray(HEADER_BYTES, length));
      pending = pending.subarray(length);
    }
  }
  if (pending.length > 0) throw badFrame('the stream ended within a frame');
}

/** Bytes of the first frame with its header, or 0 when it has not arrived whole. */
function wholeLengthOf(pending: Buffer): number {
  if (pending.length < HEADER_BYTES) return 0;
  const length = pending.readUInt32BE(1);
  if (length > MAX_PAYLOAD_BYTES) throw badFrame(`a frame announces ${length} bytes`);
  return pending.length < HEADER_BYTES + length ? 0 : HEADER_BYTES + length;
}

function decodeFrame(kind: number, payload: Buffer): ExecFrame {
  const is = KINDS[kind];
  if (is === undefined) throw badFrame(`there is no frame of kind ${kind}`);
  return is === 'words' ? parseExecWords(parseJson(payload)) : { is, bytes: payload };
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw badFrame(messageOf(error));
  }
}

function badFrame(what: string): HypemanError {
  return new HypemanError(
    'invalid',
    'BadFrame',
    `the exec connection does not speak ${EXEC_PROTOCOL}: ${what}`,
  );
}
