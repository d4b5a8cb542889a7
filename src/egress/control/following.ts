import type { Followed } from '../egress.ts';
import { connectControl } from './client.ts';

export type Following = {
  readonly instance?: string;
  readonly follow: boolean;
  readonly signal: AbortSignal;
};

/** More than this many unread are dropped, and counted: whoever reads slowly must not fill our memory. */
const MOST_UNREAD = 4096;

/** Decisions over a connection of their own, so that a slow reader holds up nobody else. */
export async function* followDecisions(path: string, ask: Following): AsyncGenerator<Followed> {
  const { signal, ...rest } = ask;
  const client = await connectControl(path);
  const unread = new Unread();
  const stop = (): void => {
    client.end();
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const over = client.decisions(rest, (told) => {
    unread.add(told);
  });
  try {
    yield* unread.until(over);
    await over;
  } catch (error) {
    // A connection that we ended ourselves is no failure.
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    over.catch(() => undefined);
    client.end();
  }
}

class Unread {
  #queue: Followed[] = [];
  #missed = 0;
  #isOver = false;
  #wake = Promise.withResolvers<undefined>();

  add(told: Followed): void {
    if (this.#queue.length >= MOST_UNREAD) this.#missed += told.is === 'missed' ? told.count : 1;
    else this.#queue.push(told);
    this.#wake.resolve(undefined);
  }

  /** Everything that is added until `over` settles, however it settles. */
  async *until(over: Promise<void>): AsyncGenerator<Followed> {
    const settle = (): void => {
      this.#isOver = true;
      this.#wake.resolve(undefined);
    };
    over.then(settle, settle);
    for (;;) {
      await this.#wake.promise;
      if (!this.#isOver) this.#wake = Promise.withResolvers();
      const told = this.#take();
      yield* told;
      if (this.#isOver && told.length === 0) return;
    }
  }

  #take(): readonly Followed[] {
    const told = this.#queue;
    const missed = this.#missed;
    this.#queue = [];
    this.#missed = 0;
    return missed === 0 ? told : [...told, { is: 'missed', count: missed }];
  }
}
