import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually, getInstance, tracesOf } from '../support/controller-process.ts';
import { COUNTER, isReady, openForkHouse } from '../support/fork-house.ts';
import type { ForkHouse } from '../support/fork-house.ts';
import { machinesOf } from '../support/machines.ts';

/** More by hand: `FORK_KILLS=100`. */
const ROUNDS = Number(process.env.FORK_KILLS ?? 6);
/** From the file's being written to well after the fork is there, on a machine that is not busy. */
const WITHIN_MS = 2_500;
const VICTIMS = ['controller', 'fork', 'controller', 'any machine'] as const;

let house: ForkHouse;

beforeAll(async () => {
  house = await openForkHouse('10.148.0.0/24');
  await house.declareDemo('base', COUNTER);
  await house.untilReady('base');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

/** Ends it, and says whether it may have been the source. */
async function kill(victim: (typeof VICTIMS)[number], sourceId: string): Promise<boolean> {
  if (victim === 'controller') {
    await house.restartController('SIGKILL');
    return false;
  }
  const machines = await machinesOf(house.place);
  const ended = victim === 'fork' ? machines.filter(({ id }) => id !== sourceId) : machines.slice(0, 1);
  for (const { pid } of ended) process.kill(pid, 'SIGKILL');
  return ended.some(({ id }) => id === sourceId);
}

describe('whatever is killed at any moment of a fork', () => {
  test('the source runs on, the fork comes up, and nothing is left of it when it goes', async () => {
    const sourceId = (await getInstance(house.place, 'base'))?.status.id ?? '';
    let life = await house.lifeOf('base');
    for (let round = 0; round < ROUNDS; round += 1) {
      const name = `fork-${round}`;
      const victim = VICTIMS[round % VICTIMS.length] ?? 'controller';
      await house.declareForks([name], 'base', { forkFrom: { fromRunning: true } });
      await sleep(Math.random() * WITHIN_MS);
      const wasSource = await kill(victim, sourceId);
      await house.until(name, `ready after the ${victim} was killed`, isReady);
      expect(await house.inGuest(name, 'hostname')).toBe(name);
      await house.until('base', 'ready', isReady);
      const now = await house.lifeOf('base');
      if (!wasSource) expect(now.boot, `round ${round}, ${victim}`).toBe(life.boot);
      life = now;
      await expect.poll(async () => (await house.lifeOf('base')).counted).toBeGreaterThan(now.counted);
      await house.remove(name);
    }
    await house.remove('base');
    const bases = `${house.place.stateDir}/snapshots`;
    // A draft of somebody who was killed is taken for work in hand for ten minutes.
    const kept = async (): Promise<readonly string[]> =>
      (await readdir(bases)).filter((name) => !name.startsWith('.'));
    await eventually('bases gone', kept, (names) => names.length === 0, 90_000);
    const traces = (await tracesOf(house.place)).filter((trace) => !/controller|^table|^routing/.test(trace));
    expect(traces).toEqual([]);
  }, 2_400_000);
});
