/** The entries that were used last, up to a limit: a Map keeps the order of insertion. */
export class Recent<T> {
  readonly #entries = new Map<string, T>();

  get size(): number {
    return this.#entries.size;
  }

  /** Counts as use. */
  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Lets go of what was used longest ago when there are more than `limit`. */
  set(key: string, entry: T, limit: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= limit) return;
      this.#entries.delete(oldest);
    }
  }
}
