/**
 * The wire between controller and init, over any byte stream that a hypervisor gives.
 *
 * A frame is: payload length u32, stream u32, type u8, payload; numbers little-endian; payload at
 * most 64 KiB. Stream 0 is control; others are opened by the host with a number of its choice.
 *
 * Bytes of an earlier conversation may be left in the pipe on either side (a virtio-serial port
 * outlives its clients), so each side finds the beginning by itself. The host sends 16 zero bytes
 * and HELLO {version u32, nonce 16 bytes}; init skips everything up to that, forgets all streams, and
 * answers HELLO with the same nonce, which the host seeks. Then init sends its whole STATE, and
 * again after each change: nothing is lost while no controller was there. A header of nine zero
 * bytes sends init back to seeking. Who cannot make sense of a frame says LOST, and it starts over.
 *
 * Flow: on a stream each side sends at most the bytes it was granted: the host 64 KiB from the
 * start, init nothing; CREDIT {bytes u32} grants more.
 *
 * src/guest/init/frames.c is the other end.
 */
export const PROTOCOL_VERSION = 1;
export const FRAME_HEADER = 9;
export const FRAME_MAX = 65_536;
export const PREAMBLE_ZEROS = 16;
export const NONCE_BYTES = 16;
/** What a stream may have on its way to the guest before the guest grants more. */
export const STREAM_WINDOW = 65_536;

export const FROM_HOST = {
  hello: 1,
  acknowledge: 2,
  /** graceMs u32 */
  shutdown: 3,
  /** epochMs u64 */
  clock: 4,
  /** 1 to 512 bytes of entropy */
  reseed: 5,
  /** Records: c certificate (PEM), f fingerprint, k subject hash. The outcome is in STATE. */
  trust: 6,
  /** Programs stand still until `release`, `identify` or `shutdown`; told by STATE. */
  hold: 7,
  release: 8,
  /**
   * Records: i id, h hostname, t epochMs, r entropy in hex; p IPv4, g gateway, m MAC; n machine id in hex; c, f and
   * k as in `trust`. Programs are held meanwhile; the outcome is in STATE.
   */
  identify: 9,
  /** Records: a argument, e NAME=value, w directory, c columns, r rows; the last two ask for a terminal. */
  exec: 16,
  /** Records: p path. Answered by STATED, ABSENT or FAILED. */
  stat: 17,
  /** Records: p path. Answered by OUT..., DONE or FAILED. */
  read: 18,
  /** Records: p path, m mode. Then DATA..., END; answered by DONE or FAILED. */
  write: 19,
  data: 32,
  end: 33,
  credit: 34,
  /** columns u16, rows u16 */
  resize: 35,
  /** signal u32 */
  kill: 36,
  cancel: 37,
} as const;

export const FROM_GUEST = {
  credit: 34,
  hello: 65,
  /**
   * program u8 (0 booting, 1 started, 2 exited), agent u8, hasCode u8, trust u8 (0 unspoken, 1 none, 2 installed,
   * 3 failed), code u32, ms since start u64; for trust 2 and 3 the fingerprint in 64 hex digits; message. While
   * started the code's place holds held u8, zero u8 and the length u16 of the records at the very end: i id, w what
   * of the last `hold` or `identify` was refused.
   */
  state: 66,
  lost: 67,
  out: 80,
  err: 81,
  /** code u32: the program of this stream ended, and all its output came before. */
  exited: 82,
  /** errno u32, message: the stream is over. */
  failed: 83,
  /** kind u8 (file, directory, symlink, other), mode u32, size u64, modified ms u64 */
  stated: 84,
  absent: 85,
  done: 86,
} as const;

export type Frame = { readonly type: number; readonly stream: number; readonly payload: Buffer };

const GUEST_TYPES: ReadonlySet<number> = new Set(Object.values(FROM_GUEST));
/** What a port may hold of an earlier conversation is far less. */
const SEEK_LIMIT = 8 * 1024 * 1024;

export function encodeFrame(type: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER + payload.length);
  bytes.writeUInt32LE(payload.length, 0);
  bytes.writeUInt32LE(stream, 4);
  bytes.writeUInt8(type, 8);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

/** What the host says first; `nonce` is new for every connection. */
export function greetingWith(nonce: Uint8Array): Buffer {
  const version = numberBytes(PROTOCOL_VERSION);
  const hello = encodeFrame(FROM_HOST.hello, 0, Buffer.concat([version, nonce]));
  return Buffer.concat([Buffer.alloc(PREAMBLE_ZEROS), hello]);
}

export function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** `tag value NUL` for each; the form that init reads without counting. */
export function recordBytes(records: readonly (readonly [tag: string, value: string])[]): Buffer {
  return Buffer.from(records.map(([tag, value]) => `${tag}${value}\0`).join(''));
}

/**
 * Reads what a guest sends, which may be anything: never throws, holds at most one frame, and once
 * it said `lost` it says so for ever.
 */
export class FrameDecoder {
  readonly #answer: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #sought = 0;
  #phase: 'seeking' | 'reading' | 'lost' = 'seeking';

  constructor(nonce: Uint8Array) {
    this.#answer = encodeFrame(FROM_GUEST.hello, 0, Buffer.concat([numberBytes(PROTOCOL_VERSION), nonce]));
  }

  /** True once the guest answered this host's hello. */
  get inSync(): boolean {
    return this.#phase === 'reading';
  }

  /** Bytes kept for the next call. */
  get heldBytes(): number {
    return this.#held.length;
  }

  push(chunk: Uint8Array): readonly Frame[] | 'lost' {
    if (this.#phase === 'lost') return 'lost';
    let bytes: Buffer = this.#held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#held, chunk]);
    if (this.#phase === 'seeking') {
      const rest = this.#seek(bytes);
      if (rest === undefined) return this.#lostAfter(SEEK_LIMIT < this.#sought);
      bytes = rest;
    }
    return this.#read(bytes);
  }

  #seek(bytes: Buffer): Buffer | undefined {
    const at = bytes.indexOf(this.#answer);
    if (at >= 0) {
      this.#phase = 'reading';
      return bytes.subarray(at + this.#answer.length);
    }
    const keep = Math.min(bytes.length, this.#answer.length - 1);
    this.#sought += bytes.length - keep;
    this.#held = Buffer.from(bytes.subarray(bytes.length - keep));
    return undefined;
  }

  #lostAfter(hopeless: boolean): readonly Frame[] | 'lost' {
    if (!hopeless) return [];
    this.#phase = 'lost';
    this.#held = Buffer.alloc(0);
    return 'lost';
  }

  #read(bytes: Buffer): readonly Frame[] | 'lost' {
    const frames: Frame[] = [];
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER) {
      const length = bytes.readUInt32LE(at);
      const type = bytes.readUInt8(at + 8);
      if (length > FRAME_MAX || !GUEST_TYPES.has(type)) return this.#lostAfter(true);
      const end = at + FRAME_HEADER + length;
      if (end > bytes.length) break;
      // A copy: a small payload must not hold on to the whole chunk it came in.
      const payload = Buffer.from(bytes.subarray(at + FRAME_HEADER, end));
      frames.push({ type, stream: bytes.readUInt32LE(at + 4), payload });
      at = end;
    }
    this.#held = Buffer.from(bytes.subarray(at));
    return frames;
  }
}
