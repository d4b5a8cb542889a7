/** How many may go in one second, and how many at once after a quiet time. */
export type Rate = { readonly perSecond: number; readonly atOnce: number };

/** Lets so many go and no more: whoever is refused asks again later. `now` is in milliseconds. */
export class PassingRate {
  readonly #rate: Rate;
  readonly #now: () => number;
  #left: number;
  #countedAt: number;

  constructor(rate: Rate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
    this.#left = rate.atOnce;
    this.#countedAt = now();
  }

  take(): boolean {
    const { perSecond, atOnce } = this.#rate;
    const now = this.#now();
    this.#left = Math.min(atOnce, this.#left + ((now - this.#countedAt) / 1000) * perSecond);
    this.#countedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
