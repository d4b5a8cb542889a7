/** Time as the queue needs it; a test turns its own. */
export type Clock = {
  /** Milliseconds since some moment; never goes back, whatever is done to the host's clock. */
  now(): number;
  /** Calls once. The returned function takes it back. A timer that is not vital keeps no process alive. */
  after(ms: number, call: () => void, isVital: boolean): () => void;
};

/** Longer waits overflow Node's timers, which then fire at once (timers.md, setTimeout). */
const LONGEST_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, call, isVital) => {
    const timer = setTimeout(call, Math.min(Math.max(0, ms), LONGEST_MS));
    if (!isVital) timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
