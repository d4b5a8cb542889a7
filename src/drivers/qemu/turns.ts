import type { InstanceId } from '../../machine/ids.ts';

/** One piece of work per machine at a time, in the order of asking; different machines never wait. */
export class Turns {
  readonly #last = new Map<InstanceId, Promise<unknown>>();

  async take<T>(id: InstanceId, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(id) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#last.set(id, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(id) === mine) this.#last.delete(id);
    }
  }
}
