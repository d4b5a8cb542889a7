import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { imagesToRemove } from '../../../src/images/collect.ts';
import { progressText } from '../../../src/images/progress.ts';
import { makeSlots } from '../../../src/images/slots.ts';

const HOUR = 3_600_000;
const now = 1000 * HOUR;
const rule = { now, maxBytes: 1000, unusedMs: 24 * HOUR, isInUse: () => false };
const image = (
  digest: string,
  bytes: number,
  hoursAgo: number,
): Parameters<typeof imagesToRemove>[0][number] => ({
  digest,
  bytes,
  lastUsedAt: now - hoursAgo * HOUR,
});

describe('which images go', () => {
  test('those that nobody used for long', () => {
    expect(imagesToRemove([image('old', 1, 25), image('new', 1, 23)], rule)).toEqual(['old']);
  });

  test('when there is too much, the longest unused, until there is not', () => {
    const images = [image('b', 400, 2), image('a', 400, 3), image('c', 400, 1)];
    expect(imagesToRemove(images, rule)).toEqual(['a']);
  });

  test('never one that was just pulled', () => {
    expect(imagesToRemove([image('fresh', 9999, 0.1)], rule)).toEqual([]);
  });

  test('never one in use, at any age and size', () => {
    const images = fc.array(fc.record({ bytes: fc.nat(5000), hours: fc.nat(100), used: fc.boolean() }));
    fc.assert(
      fc.property(images, (all) => {
        const used = new Set(all.flatMap(({ used: isUsed }, index) => (isUsed ? [`${index}`] : [])));
        const entries = all.map(({ bytes, hours }, index) => image(`${index}`, bytes, hours));
        const out = imagesToRemove(entries, { ...rule, isInUse: (digest) => used.has(digest) });
        expect(out.filter((digest) => used.has(digest))).toEqual([]);
      }),
    );
  });
});

describe('slots', () => {
  test('let so many work at once, and the next when one ends, even in failure', async () => {
    const slots = makeSlots(2);
    let working = 0;
    let most = 0;
    const job = (fails: boolean) => async (): Promise<void> => {
      working += 1;
      most = Math.max(most, working);
      await new Promise((resolve) => setImmediate(resolve));
      working -= 1;
      if (fails) throw new Error('no');
    };
    const ended = await Promise.allSettled(
      [true, false, true, false, false].map((fails) => slots.run(job(fails))),
    );
    expect(ended.map(({ status }) => status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(most).toBe(2);
  });
});

test('progress never shows more than everything', () => {
  expect(progressText(12_345_678, 45_600_000)).toBe('downloading 12.3 MB of 45.6 MB (27 %)');
  expect(progressText(999, 500)).toBe('downloading 500 B of 500 B (100 %)');
  expect(progressText(5, 0)).toBe('downloading');
});
