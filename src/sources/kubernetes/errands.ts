import { backoffMs } from './pause.ts';
import { Alarms } from './placement/alarms.ts';

/** Done, or to be looked at again after so many milliseconds. */
export type ErrandResult = 'done' | { readonly againMs: number };

const BACKOFF = { firstMs: 200, mostMs: 10_000 };
const AT_ONCE = 16;

/** Work by key that must be done some time: tried again with backoff until it is, one at a time for each key. */
export class Errands<K extends string> {
  readonly #run: (key: K) => Promise<ErrandResult>;
  readonly #onTrouble: (key: K, error: unknown) => void;
  readonly #due = new Set<K>();
  readonly #inWork = new Set<K>();
  readonly #failures = new Map<K, number>();
  readonly #untilQuiet: (() => void)[] = [];
  /** One for each, whoever asked meanwhile: if each run had its own, they would never come to an end. */
  readonly #again = new Alarms<K>((key) => {
    this.add(key);
  });
  readonly #abort = new AbortController();

  constructor(run: (key: K) => Promise<ErrandResult>, onTrouble: (key: K, error: unknown) => void) {
    this.#run = run;
    this.#onTrouble = onTrouble;
  }

  /** Cheap and repeatable; a key that is in work is done once more. */
  add(key: K): void {
    this.#again.set(key, undefined);
    this.#due.add(key);
    this.#next();
  }

  /** Resolves when nothing is due or in work; what waits for its next try is not waited for. */
  async quiet(): Promise<void> {
    if (this.#due.size + this.#inWork.size === 0) return;
    await new Promise<void>((resolve) => this.#untilQuiet.push(resolve));
  }

  close(): void {
    this.#abort.abort();
    this.#again.close();
    this.#due.clear();
  }

  #next(): void {
    for (const key of this.#due) {
      if (this.#inWork.size >= AT_ONCE || this.#abort.signal.aborted) return;
      if (this.#inWork.has(key)) continue;
      this.#due.delete(key);
      this.#inWork.add(key);
      void this.#work(key);
    }
  }

  async #work(key: K): Promise<void> {
    const againMs = await this.#attempt(key);
    this.#inWork.delete(key);
    if (!this.#due.has(key) && !this.#abort.signal.aborted) this.#again.set(key, againMs);
    this.#next();
    if (this.#inWork.size === 0) for (const resolve of this.#untilQuiet.splice(0)) resolve();
  }

  async #attempt(key: K): Promise<number | undefined> {
    try {
      const result = await this.#run(key);
      this.#failures.delete(key);
      return result === 'done' ? undefined : result.againMs;
    } catch (error) {
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      if (!this.#abort.signal.aborted) this.#onTrouble(key, error);
      return backoffMs(failures, BACKOFF, Math.random);
    }
  }
}
