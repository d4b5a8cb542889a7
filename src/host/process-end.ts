import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessIdentity } from '../machine/machine.ts';
import { isAlive } from './processes.ts';

const FIRST_LOOK_MS = 5;
const SLOWEST_LOOK_MS = 50;

/**
 * True once this very process is gone, false when it still lives after `withinMs`. Looks at /proc,
 * because only a parent is told of an end and an adopted process has another one.
 */
export async function waitUntilGone(
  identity: ProcessIdentity,
  bootId: string,
  withinMs: number,
): Promise<boolean> {
  const end = Date.now() + withinMs;
  for (
    let pause = FIRST_LOOK_MS;
    await isAlive(identity, bootId);
    pause = Math.min(pause * 2, SLOWEST_LOOK_MS)
  ) {
    if (Date.now() >= end) return false;
    await delay(pause);
  }
  return true;
}
