import { retryDelayMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import { Schedule } from './schedule.ts';

/** When a key comes back after its work. `forget`: never, unless it is added anew. */
export type Next =
  | { readonly again: 'now' | 'backoff' | 'on-change' | 'forget' }
  | { readonly again: 'after'; readonly ms: number };

/** What the queue tells of itself; controller-runtime's figures. All optional, none may throw. */
export type QueueMetrics = {
  queueAdded(): void;
  queueRetried(): void;
  queueWaited(seconds: number): void;
  queueDepth(keys: number): void;
  workers(active: number): void;
};

export type QueueSettings = {
  readonly concurrency: number;
  /** A key at rest is looked at again after about this long; it heals what an event missed. */
  readonly resyncMs: number;
  readonly clock: Clock;
  /** At least 0, below 1. */
  readonly random: () => number;
  readonly metrics?: QueueMetrics;
};

/**
 * Resyncs come no closer than this on average, however many keys rest: a look costs 2 ms or so, and at rest
 * the controller is to burn no CPU. Events, not resyncs, are how changes are heard.
 */
const RESYNC_APART_MS = 500;

/**
 * Keys and nothing else: what is to be done is read from the present when a key's turn comes. One worker
 * per key; a key that arrives while in work runs once more; the earliest time wins.
 */
export class Queue<K> {
  readonly #work: (key: K) => Promise<Next>;
  readonly #settings: QueueSettings;
  /** Keys with something to do. */
  readonly #due = new Schedule<K>();
  /** Keys at rest, by their next resync. */
  readonly #resting = new Schedule<K>();
  readonly #failures = new Map<K, number>();
  /** Keys in work, and when to run again for what arrived meanwhile. */
  readonly #running = new Map<K, number | undefined>();
  #timer: { readonly at: number; readonly isVital: boolean; readonly cancel: () => void } | undefined;
  #isPumpAsked = false;
  #isClosed = false;
  #onQuiet: (() => void)[] = [];
  #onIdle: (() => void)[] = [];

  /** `work` must not reject: what to do after an error is its answer. */
  constructor(work: (key: K) => Promise<Next>, settings: QueueSettings) {
    this.#work = work;
    this.#settings = settings;
  }

  /** Keys that wait for their time or for a worker, resyncs not counted. */
  get depth(): number {
    return this.#due.size;
  }

  get active(): number {
    return this.#running.size;
  }

  add(key: K): void {
    this.#schedule(key, this.#settings.clock.now());
  }

  addAfter(key: K, ms: number): void {
    this.#schedule(key, this.#settings.clock.now() + Math.max(0, ms));
  }

  /** Resolves when no key has anything to do: each rests until something changes. Resyncs do not count. */
  async quiet(): Promise<void> {
    if (this.#isQuiet()) return;
    await new Promise<void>((resolve) => this.#onQuiet.push(resolve));
  }

  /** Takes no more keys, drops those that wait, and resolves when the running ones have ended. */
  async drain(): Promise<void> {
    this.#isClosed = true;
    this.#due.clear();
    this.#resting.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#settle();
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #schedule(key: K, at: number): void {
    if (this.#isClosed) return;
    this.#settings.metrics?.queueAdded();
    if (this.#running.has(key)) {
      this.#running.set(key, earlier(this.#running.get(key), at));
      return;
    }
    this.#resting.remove(key);
    const known = this.#due.timeOf(key);
    if (known === undefined || at < known) this.#due.put(key, at);
    this.#settings.metrics?.queueDepth(this.#due.size);
    this.#askToPump();
  }

  /** Later in this turn and once, so that a caller who adds ten thousand keys is not held up by them. */
  #askToPump(): void {
    if (this.#isPumpAsked) return;
    this.#isPumpAsked = true;
    queueMicrotask(() => {
      this.#isPumpAsked = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isClosed) return;
    const now = this.#settings.clock.now();
    this.#wakeResting(now);
    while (this.#running.size < this.#settings.concurrency) {
      const first = this.#due.first();
      if (first === undefined || first.at > now) break;
      this.#due.remove(first.key);
      this.#settings.metrics?.queueWaited((now - first.at) / 1000);
      void this.#run(first.key);
    }
    this.#settings.metrics?.queueDepth(this.#due.size);
    this.#setTimer();
    this.#settle();
  }

  #wakeResting(now: number): void {
    for (
      let first = this.#resting.first();
      first !== undefined && first.at <= now;
      first = this.#resting.first()
    ) {
      this.#resting.remove(first.key);
      this.#due.put(first.key, first.at);
    }
  }

  async #run(key: K): Promise<void> {
    this.#running.set(key, undefined);
    this.#settings.metrics?.workers(this.#running.size);
    const next = await this.#work(key);
    const arrived = this.#running.get(key);
    this.#running.delete(key);
    this.#settings.metrics?.workers(this.#running.size);
    if (!this.#isClosed) this.#comeBack(key, next, arrived);
    if (this.#isClosed) this.#settle();
    else this.#askToPump();
  }

  #comeBack(key: K, next: Next, arrived: number | undefined): void {
    const { clock } = this.#settings;
    if (next.again === 'backoff') this.#settings.metrics?.queueRetried();
    else this.#failures.delete(key);
    const planned = this.#timeFor(key, next);
    const at = planned === undefined ? arrived : earlier(arrived, planned);
    if (at !== undefined) this.#due.put(key, at);
    else if (next.again === 'on-change') this.#resting.put(key, clock.now() + this.#resyncAfter());
  }

  #timeFor(key: K, next: Next): number | undefined {
    const now = this.#settings.clock.now();
    switch (next.again) {
      case 'now':
        return now;
      case 'after':
        return now + Math.max(0, next.ms);
      case 'backoff': {
        const failures = (this.#failures.get(key) ?? 0) + 1;
        this.#failures.set(key, failures);
        return now + retryDelayMs(failures, this.#settings.random);
      }
      case 'on-change':
      case 'forget':
        return undefined;
    }
  }

  /** Spread by a tenth each way, so that ten thousand keys that came at once do not return at once. */
  #resyncAfter(): number {
    const period = Math.max(this.#settings.resyncMs, this.#resting.size * RESYNC_APART_MS);
    return period * (0.9 + 0.2 * this.#settings.random());
  }

  /** One timer for the earliest key of all; none while every worker is busy, for then nothing could start. */
  #setTimer(): void {
    const due = this.#running.size < this.#settings.concurrency ? this.#due.first()?.at : undefined;
    const at = earlier(due, this.#resting.first()?.at ?? Number.POSITIVE_INFINITY);
    const isVital = this.#due.size > 0;
    if (this.#timer?.at === at && this.#timer.isVital === isVital) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    const { clock } = this.#settings;
    const fire = (): void => {
      this.#timer = undefined;
      this.#pump();
    };
    this.#timer = { at, isVital, cancel: clock.after(at - clock.now(), fire, isVital) };
  }

  #isQuiet(): boolean {
    return this.#due.size === 0 && this.#running.size === 0;
  }

  #settle(): void {
    if (this.#isQuiet()) for (const resolve of this.#onQuiet.splice(0)) resolve();
    if (this.#running.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}

function earlier(one: number | undefined, other: number): number {
  return one === undefined ? other : Math.min(one, other);
}
