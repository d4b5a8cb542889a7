import type { InstanceKey } from '../../machine/ids.ts';

/** Which instances are made from which Secrets and files, both ways. */
export class Users {
  readonly #needs = new Map<InstanceKey, ReadonlySet<string>>();
  readonly #users = new Map<string, Set<InstanceKey>>();

  /** What an instance needs from now on; answers what nobody needed before and what nobody needs any more. */
  set(key: InstanceKey, needs: readonly string[]): { begun: readonly string[]; ended: readonly string[] } {
    const before = this.#needs.get(key) ?? new Set();
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

  of(need: string): readonly InstanceKey[] {
    return [...(this.#users.get(need) ?? [])];
  }

  #drop(need: string, key: InstanceKey): void {
    const users = this.#users.get(need);
    users?.delete(key);
    if (users?.size === 0) this.#users.delete(need);
  }
}
