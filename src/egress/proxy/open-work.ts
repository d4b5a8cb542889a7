import type { Policy } from '../policy.ts';

/** Something open that a policy allowed: a tunnel, a stream, a connection that has not spoken yet. */
export type Held = {
  /** Asked again at each swap of the policy. */
  isAllowed(policy: Policy): boolean;
  close(): void;
};

/** All that one instance holds open: what a swap of its policy may have to end. */
export class OpenWork {
  readonly #held = new Set<Held>();

  /** Returns how to let go, which is safe to repeat. */
  hold(held: Held): () => void {
    this.#held.add(held);
    return () => {
      this.#held.delete(held);
    };
  }

  /** Closes what the new policy does not allow; everything, without one. */
  apply(policy: Policy | undefined): void {
    for (const held of [...this.#held]) {
      if (policy !== undefined && held.isAllowed(policy)) continue;
      this.#held.delete(held);
      held.close();
    }
  }
}
