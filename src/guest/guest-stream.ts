import { Readable, Writable } from 'node:stream';
import { FROM_HOST, STREAM_WINDOW, numberBytes } from './protocol.ts';

/** Sends one frame on one stream. */
export type SendFrame = (type: number, payload?: Uint8Array) => void;

/** What a guest may send on one stream before the host's reader takes any. */
export const OUTPUT_WINDOW = 256 * 1024;
const CHUNK_BYTES = 32 * 1024;

/**
 * What comes out of the guest on one stream: several readers, one common credit, given back as they
 * take. A guest that sends more than it was granted is found out by `accept`.
 */
export class GuestOutput {
  readonly #send: SendFrame;
  #granted = 0;

  constructor(send: SendFrame) {
    this.#send = send;
  }

  open(): void {
    this.#grant(OUTPUT_WINDOW);
  }

  /** One more reader, and how to feed and end it. */
  reader(onDestroy: () => void = () => undefined): OutputReader {
    const waiting: Buffer[] = [];
    let ended = false;
    const giveBack = (): void => {
      this.#grant(waiting.splice(0).reduce((sum, chunk) => sum + chunk.length, 0));
    };
    const flow = (): void => {
      const chunk = waiting.shift();
      if (chunk !== undefined) {
        this.#grant(chunk.length);
        readable.push(chunk);
      } else if (ended) readable.push(null);
    };
    let hungry = false;
    const readable = new Readable({
      read() {
        hungry = waiting.length === 0 && !ended;
        if (!hungry) flow();
      },
      destroy: (error, callback) => {
        onDestroy();
        giveBack();
        callback(error);
      },
    });
    const stir = (): void => {
      if (!hungry) return;
      hungry = false;
      flow();
    };
    return {
      readable,
      feed: (bytes) => {
        joinOrAdd(waiting, bytes);
        if (readable.destroyed) giveBack();
        else stir();
      },
      end: () => {
        ended = true;
        stir();
      },
      fail: (error) => readable.destroy(error),
    };
  }

  /** False when the guest had no right to send so much. */
  accept(bytes: Buffer): boolean {
    this.#granted -= bytes.length;
    return this.#granted >= 0;
  }

  #grant(bytes: number): void {
    if (bytes === 0) return;
    this.#granted += bytes;
    this.#send(FROM_HOST.credit, numberBytes(bytes));
  }
}

export type OutputReader = {
  readonly readable: Readable;
  feed(bytes: Buffer): void;
  end(): void;
  fail(error: Error): void;
};

/** A guest that writes byte by byte costs one buffer, not thousands. */
function joinOrAdd(waiting: Buffer[], bytes: Buffer): void {
  const last = waiting.at(-1);
  if (last !== undefined && last.length + bytes.length <= CHUNK_BYTES / 8)
    waiting[waiting.length - 1] = Buffer.concat([last, bytes]);
  else if (bytes.length > 0) waiting.push(bytes);
}

/** What goes into the guest on one stream: a Writable that waits for the guest's credit. */
export class GuestInput {
  readonly writable: Writable;
  readonly #send: SendFrame;
  #credit = STREAM_WINDOW;
  #rest: Buffer = Buffer.alloc(0);
  #done: (() => void) | undefined;
  #closed = false;

  constructor(send: SendFrame) {
    this.#send = send;
    this.writable = new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        this.#rest = chunk;
        this.#done = callback;
        this.#pump();
      },
      final: (callback) => {
        if (!this.#closed) this.#send(FROM_HOST.end);
        callback();
      },
    });
  }

  grant(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, STREAM_WINDOW);
    this.#pump();
  }

  /** Nobody reads any more: what is still written goes nowhere. */
  close(): void {
    this.#closed = true;
    this.#pump();
  }

  #pump(): void {
    while (this.#rest.length > 0 && this.#credit > 0 && !this.#closed) {
      const some = Math.min(this.#rest.length, this.#credit, CHUNK_BYTES);
      this.#send(FROM_HOST.data, this.#rest.subarray(0, some));
      this.#rest = this.#rest.subarray(some);
      this.#credit -= some;
    }
    if (this.#rest.length > 0 && !this.#closed) return;
    this.#rest = Buffer.alloc(0);
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }
}
