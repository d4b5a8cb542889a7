import type { Policy } from './policy.ts';
import type { Policies } from './ports.ts';

type Listener = Parameters<Policies['onChange']>[0];

/** Policies and the right to change them, which belongs to the control socket alone. */
export type OwnedPolicies = Policies & {
  /** Puts the whole policy in force, for the next request on. */
  swap(policy: Policy): void;
  /** No policy means that nothing is let through. An absent one is removed already. */
  remove(instance: string): void;
  all(): readonly Policy[];
};

/** A swap is one assignment: no request ever sees half of two policies. */
export function openPolicies(): OwnedPolicies {
  const inForce = new Map<string, Policy>();
  const listeners: Listener[] = [];
  const tell: Listener = (instance, before, after) => {
    for (const listener of listeners) listener(instance, before, after);
  };
  return {
    of: (instance) => inForce.get(instance),
    onChange: (listener) => {
      listeners.push(listener);
    },
    swap: (policy) => {
      const before = inForce.get(policy.instance);
      inForce.set(policy.instance, policy);
      tell(policy.instance, before, policy);
    },
    remove: (instance) => {
      const before = inForce.get(instance);
      if (before === undefined) return;
      inForce.delete(instance);
      tell(instance, before, undefined);
    },
    all: () => [...inForce.values()],
  };
}
