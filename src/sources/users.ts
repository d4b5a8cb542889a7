import type { InstanceKey } from '../machine/ids.ts';

/** Which instances are made from which Secrets, files and volumes, both ways. */
export class Users<Need extends string = string> {
  readonly #needs = new Map<InstanceKey, ReadonlySet<Need>>();
  readonly #users = new Map<Need, Set<InstanceKey>>();

  /** What an instance needs from now on; answers what nobody needed before and what nobody needs any more. */
  set(key: InstanceKey, needs: readonly Need[]): { begun: readonly Need[]; ended: readonly Need[] } {
    const before = this.#needs.get(key) ?? new Set<Need>();
    const after = new Set(needs);
    if (after.size > 0) this.#needs.set(key, after);
    else this.#needs.delete(key);
    const added = [...after].filter((need) => !before.has(need));
    const removed = [...before].filter((need) => !after.has(need));
    const begun = added.filter((need) => !this.#users.has(need));
    for (const need of added) this.#users.set(need, (this.#users.get(need) ?? new Set()).add(key));
    for (const need of removed) this.#drop(need, key);
    return { begun, ended: removed.filter((need) => !this.#users.has(need)) };
  }

  of(need: Need): readonly InstanceKey[] {
    return [...(this.#users.get(need) ?? [])];
  }

  /** What anybody needs. */
  all(): readonly Need[] {
    return [...this.#users.keys()];
  }

  #drop(need: Need, key: InstanceKey): void {
    const users = this.#users.get(need);
    users?.delete(key);
    if (users?.size === 0) this.#users.delete(need);
  }
}
