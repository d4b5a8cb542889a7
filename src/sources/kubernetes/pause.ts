import { setTimeout as timeout } from 'node:timers/promises';

/** Waits, or until the signal; never throws. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await timeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}

/** Resolves with `work`, or after so long without it; rejects as `work` does. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  const over = new AbortController();
  try {
    await Promise.race([work, pause(ms, over.signal)]);
  } finally {
    over.abort();
  }
}

export type Backoff = { readonly firstMs: number; readonly mostMs: number };

/** Doubles with each failure in a row, and is spread over half of it: nodes that fail together come back apart. */
export function backoffMs(failures: number, { firstMs, mostMs }: Backoff, random: () => number): number {
  const full = Math.min(firstMs * 2 ** Math.min(failures - 1, 30), mostMs);
  return full * (0.5 + random() / 2);
}
