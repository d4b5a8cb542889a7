import { afterEach, describe, expect, test } from 'vitest';
import { Errands } from '../../../../src/sources/kubernetes/errands.ts';
import { pause } from '../../../../src/sources/kubernetes/pause.ts';

const AGAIN_MS = 40;

describe('an errand that is to be done again', () => {
  let opened: Errands<'a'> | undefined;
  afterEach(() => {
    opened?.close();
  });

  test('is looked at as often as it asked for, however often others asked in between', async () => {
    let runs = 0;
    const errands = (opened = new Errands<'a'>(
      async () => {
        runs += 1;
        return Promise.resolve({ againMs: AGAIN_MS });
      },
      () => undefined,
    ));
    for (let asked = 0; asked < 10; asked += 1) {
      errands.add('a');
      await pause(1);
    }
    runs = 0;
    await pause(AGAIN_MS * 5);
    expect(runs).toBeGreaterThan(1);
    expect(runs).toBeLessThanOrEqual(6);
  });

  test('is tried again by one backoff, however often others asked while it failed', async () => {
    const failed: number[] = [];
    const errands = (opened = new Errands<'a'>(
      async () => Promise.reject(new Error('no')),
      () => failed.push(Date.now()),
    ));
    for (let asked = 0; asked < 5; asked += 1) {
      errands.add('a');
      await pause(1);
    }
    failed.length = 0;
    // Five failures in a row: the next try is 1.6 to 3.2 s away.
    await pause(1_000);
    expect(failed).toEqual([]);
  });

  test('is done at once when somebody asks while it waits', async () => {
    let runs = 0;
    const errands = (opened = new Errands<'a'>(
      async () => {
        runs += 1;
        return Promise.resolve({ againMs: 60_000 });
      },
      () => undefined,
    ));
    errands.add('a');
    await pause(5);
    errands.add('a');
    await pause(5);
    expect(runs).toBe(2);
  });
});
