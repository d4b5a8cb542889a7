/** A key and when it is due. `order` keeps keys of one time in the order in which they came. */
type Entry<K> = { readonly key: K; at: number; order: number };

/**
 * Keys by time: a binary heap that knows where each key sits, so that every change costs O(log n) and
 * nothing outdated is ever kept.
 */
export class Schedule<K> {
  readonly #heap: Entry<K>[] = [];
  readonly #places = new Map<K, number>();
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  timeOf(key: K): number | undefined {
    const place = this.#places.get(key);
    return place === undefined ? undefined : this.#heap[place]?.at;
  }

  first(): { readonly key: K; readonly at: number } | undefined {
    return this.#heap[0];
  }

  /** Puts a key at a time, or moves it there, earlier or later. */
  put(key: K, at: number): void {
    this.remove(key);
    const entry = { key, at, order: this.#order++ };
    this.#heap.push(entry);
    this.#places.set(key, this.#heap.length - 1);
    this.#up(this.#heap.length - 1);
  }

  remove(key: K): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    const last = this.#heap.length - 1;
    this.#swap(place, last);
    this.#heap.pop();
    this.#places.delete(key);
    if (place === last) return;
    this.#up(place);
    this.#down(place);
  }

  clear(): void {
    this.#heap.length = 0;
    this.#places.clear();
  }

  #up(start: number): void {
    for (let place = start; place > 0;) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(place, parent)) return;
      this.#swap(place, parent);
      place = parent;
    }
  }

  #down(start: number): void {
    for (let place = start; ;) {
      let least = place;
      for (const child of [2 * place + 1, 2 * place + 2]) if (this.#isBefore(child, least)) least = child;
      if (least === place) return;
      this.#swap(place, least);
      place = least;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    if (a === undefined || b === undefined) return false;
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    if (a === undefined || b === undefined) return;
    this.#heap[one] = b;
    this.#heap[other] = a;
    this.#places.set(b.key, one);
    this.#places.set(a.key, other);
  }
}
