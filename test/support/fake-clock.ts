import type { Clock } from '../../src/reconcile/clock.ts';

/** Time that a test turns by hand. */
export type FakeClock = Clock & {
  /** Fires everything due on the way, in order, and lets all that it set off come to its next wait. */
  advance(ms: number): Promise<void>;
  /** Timers that are set now. */
  timers(): readonly { readonly at: number; readonly isVital: boolean }[];
};

type Timer = { readonly at: number; readonly isVital: boolean; readonly call: () => void };

export function fakeClock(): FakeClock {
  let now = 0;
  const timers = new Set<Timer>();
  const advance = async (ms: number): Promise<void> => {
    const end = now + ms;
    await idle();
    for (let next = earliest(timers); next !== undefined && next.at <= end; next = earliest(timers)) {
      now = Math.max(now, next.at);
      timers.delete(next);
      next.call();
      await idle();
    }
    now = end;
  };
  return {
    now: () => now,
    after: (ms, call, isVital) => {
      const timer = { at: now + Math.max(0, ms), isVital, call };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
    advance,
    timers: () => [...timers],
  };
}

function earliest(timers: ReadonlySet<Timer>): Timer | undefined {
  return [...timers].sort((one, other) => one.at - other.at)[0];
}

/** One turn of the event loop: every promise that could be kept has been. */
export async function idle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
