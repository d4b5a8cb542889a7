import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../errors.ts';

/** A link that broke, or that a controller has just begun to make, is there again within this. */
const PATIENCE_MS = 3_000;
const AGAIN_MS = 100;

/** Tries again while the guest cannot be reached; anything else, and the last try, is the answer. */
export async function whenReachable<T>(attempt: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (reasonOf(error) !== 'GuestUnreachable' || performance.now() > giveUpAt) throw error;
      await sleep(AGAIN_MS);
    }
  }
}
