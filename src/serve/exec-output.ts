import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { drained } from './drained.ts';
import { encodeBytes } from './exec-frames.ts';

/**
 * How long output may be silent after the program's end before it counts as complete. A daemon that the
 * program left behind may hold its stdout open for ever.
 */
const QUIET_MS = 1000;

/** A program's two outputs on their way to a client, and when they last moved. */
export class ExecOutput {
  readonly #client: Writable;
  readonly #over: AbortSignal;
  #movedAt = performance.now();
  #waiting = 0;

  constructor(client: Writable, over: AbortSignal) {
    this.#client = client;
    this.#over = over;
  }

  /** Sends a stream to its end. Resolves early when the client or the guest is gone. */
  async send(is: 'stdout' | 'stderr', stream: NodeJS.ReadableStream): Promise<void> {
    try {
      for await (const chunk of stream)
        for (const frame of encodeBytes(is, Buffer.from(chunk))) await this.#write(frame);
    } catch {
      // The exit code tells how the program ended; a broken guest connection rejects there.
    }
  }

  /** Resolves when nothing has moved for a second and nothing waits for a slow client. */
  async quiet(): Promise<void> {
    this.#movedAt = performance.now();
    while (this.#waiting > 0 || performance.now() - this.#movedAt < QUIET_MS) await sleep(QUIET_MS / 10);
  }

  async #write(frame: Uint8Array): Promise<void> {
    this.#movedAt = performance.now();
    // Output of a program whose client is gone is read and dropped, so that the program does not hang.
    if (this.#over.aborted || this.#client.destroyed || this.#client.write(frame)) return;
    this.#waiting += 1;
    await drained(this.#client, this.#over);
    this.#waiting -= 1;
    this.#movedAt = performance.now();
  }
}
