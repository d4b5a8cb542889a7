/** One time for each key at which to look again: a later word takes the place of the last. */
export class Alarms<K extends string> {
  readonly #ring: (key: K) => void;
  readonly #timers = new Map<K, NodeJS.Timeout>();

  constructor(ring: (key: K) => void) {
    this.#ring = ring;
  }

  /** `undefined`: no alarm. */
  set(key: K, afterMs: number | undefined): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
    if (afterMs === undefined) return;
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.#ring(key);
    }, afterMs);
    this.#timers.set(key, timer);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
