import type { InstanceKey } from '../machine/ids.ts';
import type { InstanceRecord } from '../machine/record.ts';

/** Who was declared as a fork of whom, both ways. */
export class Forks {
  readonly #bySource = new Map<InstanceKey, Set<string>>();
  readonly #sources = new Map<string, InstanceKey>();

  constructor(records: readonly InstanceRecord[]) {
    for (const record of records) this.put(record);
  }

  of(source: InstanceKey): readonly string[] {
    return [...(this.#bySource.get(source) ?? [])];
  }

  put({ key, fork }: InstanceRecord): void {
    this.drop(key);
    if (fork === undefined) return;
    this.#sources.set(key, fork.instance);
    this.#bySource.set(fork.instance, (this.#bySource.get(fork.instance) ?? new Set()).add(key));
  }

  drop(key: string): void {
    const source = this.#sources.get(key);
    if (source === undefined) return;
    this.#sources.delete(key);
    const forks = this.#bySource.get(source);
    forks?.delete(key);
    if (forks?.size === 0) this.#bySource.delete(source);
  }
}
