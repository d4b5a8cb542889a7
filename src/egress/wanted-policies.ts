import { HypemanError } from '../errors.ts';
import type { ControlClient } from './control/client.ts';
import type { InForce } from './egress.ts';
import { withKeptValues } from './kept-values.ts';
import type { Policy } from './policy.ts';

export type WantedPolicy = { readonly policy: Policy; readonly revision: string };

/** What the controller was asked to put in force, values included: what a process that is started next is given. */
export class WantedPolicies {
  readonly #wanted = new Map<string, WantedPolicy>();

  get size(): number {
    return this.#wanted.size;
  }

  all(): readonly WantedPolicy[] {
    return [...this.#wanted.values()];
  }

  /** With the values that were wanted before, where it has none: the next process is to have them from here. */
  want(policy: Policy, revision: string): WantedPolicy {
    const { instance } = policy;
    const wanted = { policy: withKeptValues(policy, this.#wanted.get(instance)?.policy), revision };
    this.#wanted.set(instance, wanted);
    return wanted;
  }

  forget(instance: string): void {
    this.#wanted.delete(instance);
  }

  /**
   * What the process refuses is nobody's wish any more: neither is it put into the next one behind the back of
   * whoever gave up on it, nor is what it was to replace, which may be what it was to end.
   */
  async putInto(client: ControlClient, wanted: WantedPolicy): Promise<InForce> {
    const { policy, revision } = wanted;
    try {
      return await client.putPolicy(policy, revision);
    } catch (error) {
      const isRefused = error instanceof HypemanError && error.reason !== 'ProxyUnavailable';
      if (isRefused && this.#wanted.get(policy.instance) === wanted) this.#wanted.delete(policy.instance);
      throw error;
    }
  }
}
