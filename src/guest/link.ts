import type { GuestState } from '../machine/guest.ts';
import { Connection, NO_ANSWER } from './connection.ts';
import type { GuestConnector } from './guest-links.ts';
import { FROM_HOST } from './protocol.ts';
import { guestStateFrom } from './guest-words.ts';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5000;

export type LinkOptions = {
  readonly connect: GuestConnector;
  readonly onChange: () => void;
  readonly onEnd: (why: string) => void;
};

/**
 * The link to one guest: connects, and connects again with growing pauses until it is closed. What
 * the guest told stays told while the connection is down: a break in the wire is no news of the guest.
 */
export class GuestLink {
  readonly socketPath: string;
  readonly #options: LinkOptions;
  #state: GuestState = { state: 'silent' };
  #connection: Connection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE_MS;
  #closed = false;
  /** Since when at the earliest programs stand still, or are to. */
  #holdingSince: number | undefined;

  constructor(socketPath: string, options: LinkOptions) {
    this.socketPath = socketPath;
    this.#options = options;
    void this.#connect();
  }

  get state(): GuestState {
    return this.#state;
  }

  /** Present while the guest listens. */
  get connection(): Connection | undefined {
    return this.#connection?.inSync === true ? this.#connection : undefined;
  }

  /** Counted from the first time that it was said: which one was heard first, nobody knows. */
  hold(): void {
    this.#holdingSince ??= performance.now();
    this.connection?.control(FROM_HOST.hold);
  }

  /** From now on nobody knows how long they still stand. */
  release(): void {
    this.#holdingSince = undefined;
    this.connection?.control(FROM_HOST.release);
  }

  heldForMs(): number | undefined {
    const isHeld = this.#state.state === 'started' && this.#state.held === true;
    return isHeld && this.#holdingSince !== undefined ? performance.now() - this.#holdingSince : undefined;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.end('closed by us');
  }

  async #connect(): Promise<void> {
    try {
      const wire = await this.#options.connect(this.socketPath);
      if (this.#closed) {
        wire.destroy();
        return;
      }
      this.#connection = new Connection(wire, {
        onSync: () => {
          this.#pause = FIRST_PAUSE_MS;
        },
        onState: (payload) => {
          this.#hear(payload);
        },
        onEnd: (why) => {
          if (why === NO_ANSWER) this.#pause = FIRST_PAUSE_MS;
          else this.#options.onEnd(why);
          this.#connectLater();
        },
      });
    } catch {
      // Its socket is made by a VMM that may be on its way up or down: look and plan see to that.
      this.#connectLater();
    }
  }

  #connectLater(): void {
    this.#connection = undefined;
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#connect(), this.#pause);
    this.#timer.unref();
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #hear(payload: Buffer): void {
    const told = guestStateFrom(payload, Date.now(), this.#state);
    if (told === undefined) {
      this.#connection?.end('the guest told a state that is none');
      return;
    }
    const wasHeld = this.#state.state === 'started' && this.#state.held === true;
    const isHeld = told.state === 'started' && told.held === true;
    if (wasHeld && !isHeld) this.#holdingSince = undefined;
    const changed = JSON.stringify(told) !== JSON.stringify(this.#state);
    this.#state = told;
    if (changed) this.#options.onChange();
  }
}
