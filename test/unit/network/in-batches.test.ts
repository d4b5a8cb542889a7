import { expect, test } from 'vitest';
import { HypemanError } from '../../../src/errors.ts';
import { inBatches } from '../../../src/network/in-batches.ts';
import { inTurn } from '../../../src/network/in-turn.ts';

/** What was worked on at a time; whatever `fails` names fails the batch that it is in. */
function stage(fails: readonly string[] = []): { one: (name: string) => Promise<void>; batches: string[][] } {
  const batches: string[][] = [];
  const one = inBatches<string>(inTurn(), async (batch) => {
    batches.push([...batch]);
    await Promise.resolve();
    const bad = batch.find((name) => fails.includes(name));
    if (bad !== undefined) throw new Error(`not ${bad}`);
  });
  return { one, batches };
}

test('those that wait while one is under way are done together', async () => {
  const { one, batches } = stage();
  const first = one('a');
  await Promise.resolve();
  await Promise.all([first, one('b'), one('c'), one('d')]);
  await one('e');
  expect(batches).toEqual([['a'], ['b', 'c', 'd'], ['e']]);
});

test('one that fails fails for its own caller only', async () => {
  const { one, batches } = stage(['b']);
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(one));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(batches).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']]);
});

test('one that is alone and fails is not tried twice', async () => {
  const { one, batches } = stage(['a']);
  await expect(one('a')).rejects.toThrow('not a');
  expect(batches).toEqual([['a']]);
});

test('a program that hangs is not waited for once more for each of them', async () => {
  let times = 0;
  const one = inBatches<string>(inTurn(), () => {
    times += 1;
    return Promise.reject(new HypemanError('transient', 'CommandTimeout', 'ip did not finish in time'));
  });
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map(one));
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(times).toBe(1);
});

test('every turn is taken by one batch, whatever fails in it', async () => {
  const turn = inTurn();
  let atOnce = 0;
  const one = inBatches<string>(turn, async (batch) => {
    atOnce += 1;
    expect(atOnce).toBe(1);
    await Promise.resolve();
    atOnce -= 1;
    if (batch.length > 1) throw new Error('together');
  });
  await Promise.all(['a', 'b', 'c'].map(one));
  expect(turn.waiting()).toBe(0);
});
