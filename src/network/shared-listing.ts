import { setTimeout as delay } from 'node:timers/promises';
import type { Listing } from './listing.ts';

type Taken = { readonly listing: Listing; readonly startedAt: number; readonly finishedMs: number };

const SLOW_MS = 50;

/**
 * One listing for many readers. Each gets one that was begun after its own tap was last changed and is at
 * most `maxAgeMs` old; one is under way at a time, so a crowd costs as much as its slowest member.
 */
export class SharedListing {
  readonly #list: () => Promise<Listing>;
  readonly #now: () => number;
  readonly #maxAgeMs: number;
  readonly #changedAt = new Map<string, number>();
  /** Orders changes and listings among each other, which a clock of milliseconds cannot. */
  #moment = 0;
  #allChangedAt = 0;
  #tookMs = 0;
  #taken: Taken | undefined;
  #underWay: { readonly startedAt: number; readonly taken: Promise<Taken> } | undefined;

  constructor(
    list: () => Promise<Listing>,
    settings: { readonly now: () => number; readonly maxAgeMs: number },
  ) {
    this.#list = list;
    this.#now = settings.now;
    this.#maxAgeMs = settings.maxAgeMs;
  }

  /** Told at the end of each change of ours, done or failed. */
  changed(tap: string): void {
    this.#changedAt.set(tap, (this.#moment += 1));
  }

  allChanged(): void {
    this.#allChangedAt = this.#moment += 1;
    this.#changedAt.clear();
  }

  async freshFor(...taps: readonly string[]): Promise<Listing> {
    const changedAt = (): readonly number[] => taps.map((tap) => this.#changedAt.get(tap) ?? 0);
    return this.#since(() => Math.max(this.#allChangedAt, ...changedAt()), this.#maxAgeMs);
  }

  /** For whoever does not ask about one tap: not from before everything changed. */
  async latest(): Promise<Listing> {
    return this.#since(() => this.#allChangedAt, this.#maxAgeMs);
  }

  /** Begun after this call. */
  async anew(): Promise<Listing> {
    const calledAt = (this.#moment += 1);
    return this.#since(() => calledAt, Infinity);
  }

  async #since(earliest: () => number, maxAgeMs: number): Promise<Listing> {
    for (;;) {
      const taken = this.#taken;
      if (taken !== undefined && taken.startedAt > earliest() && this.#now() - taken.finishedMs <= maxAgeMs)
        return taken.listing;
      const underWay = this.#underWay ?? this.#begin();
      if (underWay.startedAt > earliest()) return (await underWay.taken).listing;
      // Somebody else's and too early for us: its failure is not ours either.
      await underWay.taken.catch(() => undefined);
    }
  }

  /** Where listing is slow, because guests are many, it may take half of the time and not all of it. */
  #pauseMs(): number {
    if (this.#taken === undefined || this.#tookMs < SLOW_MS) return 0;
    return Math.max(0, this.#taken.finishedMs + this.#tookMs - this.#now());
  }

  #begin(): { readonly startedAt: number; readonly taken: Promise<Taken> } {
    const startedAt = (this.#moment += 1);
    const taken = this.#take(startedAt);
    const underWay = { startedAt, taken };
    this.#underWay = underWay;
    return underWay;
  }

  async #take(startedAt: number): Promise<Taken> {
    try {
      const pauseMs = this.#pauseMs();
      if (pauseMs > 0) await delay(pauseMs);
      const begunMs = this.#now();
      const listing = await this.#list();
      this.#tookMs = this.#now() - begunMs;
      this.#taken = { listing, startedAt, finishedMs: this.#now() };
      for (const [tap, changedAt] of this.#changedAt) if (changedAt < startedAt) this.#changedAt.delete(tap);
      return this.#taken;
    } finally {
      this.#underWay = undefined;
    }
  }
}
