import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { HypemanError } from '../errors.ts';
import type { SendFrame } from './guest-stream.ts';
import type { LinkStream } from './link-stream.ts';
import { FROM_GUEST, FrameDecoder, NONCE_BYTES, encodeFrame, greetingWith } from './protocol.ts';
import type { Frame } from './protocol.ts';

/** A hello may fall on the rest of a frame that a dead controller left; then the next one is heard. */
const HELLO_AGAIN_MS = 1000;
/**
 * After so many the connection is made anew: QEMU keeps a port throttled when a write of the guest's met
 * a client that had just gone (hw/char/virtio-console.c, flush_buf), until that client's successor goes.
 */
const HELLOS = 10;
/** A guest that does not read while we have this much to say is given up. */
const UNSENT_LIMIT = 4 * 1024 * 1024;

/** Why a connection ended that never came to a conversation: a guest that still boots, mostly. */
export const NO_ANSWER = 'no answer';

export type ConnectionEvents = {
  /** The guest answered our hello. */
  readonly onSync: () => void;
  readonly onState: (payload: Buffer) => void;
  /** Told once; `why` is for the log. */
  readonly onEnd: (why: string) => void;
};

export function guestGone(): HypemanError {
  return new HypemanError('transient', 'GuestGone', 'the connection to the guest ended');
}

/** One conversation with one guest, from hello to the end of the byte stream. */
export class Connection {
  readonly #wire: Duplex;
  readonly #events: ConnectionEvents;
  readonly #decoder: FrameDecoder;
  readonly #streams = new Map<number, LinkStream>();
  readonly #greeter: NodeJS.Timeout;
  #lastStream = 0;
  #ended = false;
  #greeted = false;

  constructor(wire: Duplex, events: ConnectionEvents) {
    const nonce = randomBytes(NONCE_BYTES);
    this.#wire = wire;
    this.#events = events;
    this.#decoder = new FrameDecoder(nonce);
    wire.on('data', (chunk: Buffer) => {
      this.#hear(chunk);
    });
    wire.on('error', () => {
      this.end('broken');
    });
    wire.on('close', () => {
      this.end('closed');
    });
    wire.write(greetingWith(nonce));
    let hellos = 1;
    this.#greeter = setInterval(() => {
      hellos += 1;
      if (this.#decoder.inSync) clearInterval(this.#greeter);
      else if (hellos > HELLOS) this.end(NO_ANSWER);
      else if (wire.writableLength === 0) wire.write(greetingWith(nonce));
    }, HELLO_AGAIN_MS);
    this.#greeter.unref();
  }

  get inSync(): boolean {
    return this.#decoder.inSync && !this.#ended;
  }

  /** False when the conversation is over: with this, or before. */
  control(type: number, payload?: Uint8Array): boolean {
    this.#send(type, 0, payload);
    return !this.#ended;
  }

  /** Opens a stream. What `make` returns hears its frames until it is over. */
  open<T extends { readonly stream: LinkStream }>(
    type: number,
    request: Uint8Array,
    make: (send: SendFrame) => T,
  ): T {
    this.#lastStream += 1;
    const id = this.#lastStream;
    this.#send(type, id, request);
    const made = make((frameType, payload) => {
      this.#send(frameType, id, payload);
    });
    this.#streams.set(id, made.stream);
    return made;
  }

  end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#greeter);
    this.#wire.destroy();
    for (const stream of this.#streams.values()) stream.abandon(guestGone());
    this.#streams.clear();
    this.#events.onEnd(why);
  }

  #send(type: number, stream: number, payload?: Uint8Array): void {
    if (this.#ended) return;
    this.#wire.write(encodeFrame(type, stream, payload));
    if (this.#wire.writableLength > UNSENT_LIMIT) this.end('the guest does not read');
  }

  #hear(chunk: Buffer): void {
    const frames = this.#decoder.push(chunk);
    if (frames === 'lost') {
      this.end('the guest sent what is no frame');
      return;
    }
    if (this.inSync && !this.#greeted) {
      this.#greeted = true;
      this.#events.onSync();
    }
    for (const frame of frames) this.#take(frame);
  }

  #take(frame: Frame): void {
    if (this.#ended) return;
    if (frame.type === FROM_GUEST.lost) this.end('the guest lost the thread');
    // The answer to a hello that was repeated while the first was under way.
    else if (frame.type === FROM_GUEST.hello) return;
    else if (frame.type === FROM_GUEST.state) this.#events.onState(frame.payload);
    else this.#pass(frame);
  }

  #pass(frame: Frame): void {
    const stream = this.#streams.get(frame.stream);
    // Words that crossed with our cancel; a stream that never was is a lie.
    if (stream === undefined) {
      if (frame.stream === 0 || frame.stream > this.#lastStream)
        this.end('the guest spoke on a stream that is not');
      return;
    }
    const heard = stream.receive(frame.type, frame.payload);
    if (heard !== 'open') this.#streams.delete(frame.stream);
    if (heard === 'lie') {
      stream.abandon(guestGone());
      this.end('the guest broke the protocol');
    }
  }
}
