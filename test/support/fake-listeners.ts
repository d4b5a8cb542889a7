import type { Proxy } from '../../src/egress/enforcement.ts';
import type { ListenerPorts } from '../../src/machine/egress.ts';

/** Listeners that are numbers only: the same for as long as they are bound, others afterwards. */
export function fakeListeners(): Proxy & { bound(): readonly string[]; failNext(error: Error): void } {
  const ports = new Map<string, ListenerPorts>();
  let last = 40_000;
  let failure: Error | undefined;
  return {
    listen: ({ instance }) => {
      const fails = failure;
      failure = undefined;
      if (fails !== undefined) return Promise.reject(fails);
      last += 3;
      const bound = ports.get(instance) ?? { explicit: last, tls: last + 1, http: last + 2, dns: last + 3 };
      ports.set(instance, bound);
      return Promise.resolve(bound);
    },
    drop: (instance) => {
      ports.delete(instance);
      return Promise.resolve();
    },
    close: () => {
      ports.clear();
      return Promise.resolve();
    },
    bound: () => [...ports.keys()],
    failNext: (error) => {
      failure = error;
    },
  };
}
