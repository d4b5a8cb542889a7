import { Readable } from 'node:stream';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { GuestLinks } from '../../../src/guest/guest-links.ts';
import { onlineBytesIn, openMemoryCounts } from '../../../src/guest/memory-counts.ts';
import type { MemoryCounts } from '../../../src/guest/memory-counts.ts';
import { instanceId } from '../../../src/machine/ids.ts';

const MIB = 1024 ** 2;
const PAGES = 256;
const id = instanceId('one');

/** As a guest of this size tells it: of its first MiB a part is missing. */
function zoneinfo(mib: number): string {
  const zone = (name: string, pages: number): string =>
    `Node 0, zone ${name}\n  pages free     17\n        spanned  ${pages + 9}\n        present  ${pages}\n        managed  1\n`;
  return `${zone('DMA', 16 * PAGES - 98)}${zone('DMA32', (mib - 16) * PAGES)}`;
}

const quick = { takenWithinMs: 20, countAgainMs: 20 };
let counts: MemoryCounts | undefined;
const given: Readable[] = [];
afterEach(() => {
  counts?.close();
  for (const stream of given.splice(0)) expect(stream.destroyed).toBe(true);
});

/** A guest that answers so, one answer after another, and then as it did last. */
function guest(...answers: readonly (() => Readable)[]) {
  const asked: string[] = [];
  const read = (...[, path]: Parameters<GuestLinks['read']>): Promise<Readable> => {
    const answer = answers[Math.min(asked.push(path), answers.length) - 1];
    if (answer === undefined) throw new Error('nobody is there');
    const stream = answer();
    given.push(stream);
    return Promise.resolve(stream);
  };
  const changes = vi.fn();
  counts = openMemoryCounts({ links: { read }, onChange: changes }, quick);
  return { asked, changes };
}

const has = (mib: number) => () => Readable.from([Buffer.from(zoneinfo(mib))]);
const missing = (): number | undefined => counts?.missing(id, 512 * MIB);
const asksEnd = () => new Promise((resolve) => setTimeout(resolve, 150));

test('what is online is what all zones have', () => {
  expect(onlineBytesIn(zoneinfo(512))).toBe(512 * MIB - 98 * 4096);
  expect(() => onlineBytesIn('what is that')).toThrow('does not tell');
});

describe('a guest with memory that was plugged in', () => {
  test('that uses it is asked once', async () => {
    const { asked, changes } = guest(has(512));
    expect(missing()).toBeUndefined();
    await asksEnd();
    expect(missing()).toBeUndefined();
    expect(asked).toEqual(['/proc/zoneinfo']);
    expect(changes).not.toHaveBeenCalled();
  });

  test('that does not is told of, and asked until it does', async () => {
    const { changes, asked } = guest(has(256), has(256), has(512));
    missing();
    await vi.waitFor(() => {
      expect(missing()).toBe(256 * MIB);
    });
    await vi.waitFor(() => {
      expect(missing()).toBeUndefined();
    });
    await asksEnd();
    expect(changes).toHaveBeenCalledTimes(2);
    expect(asked).toHaveLength(3);
  });

  test('of which that is known is not cleared of it by an answer that fails', async () => {
    const { asked, changes } = guest(has(256), () => Readable.from([]));
    missing();
    await asksEnd();
    expect(missing()).toBe(256 * MIB);
    expect(asked.length).toBeGreaterThan(1);
    expect(changes).toHaveBeenCalledTimes(1);
  });

  test('is given its time anew when it gets more', async () => {
    const { asked } = guest(has(256));
    missing();
    await vi.waitFor(() => {
      expect(missing()).toBeDefined();
    });
    const before = asked.length;
    expect(counts?.missing(id, 640 * MIB)).toBeUndefined();
    expect(asked).toHaveLength(before);
  });

  test.each([
    ['does not answer', () => Readable.from([])],
    [
      'breaks off',
      () =>
        new Readable({
          read() {
            this.destroy(new Error('gone'));
          },
        }),
    ],
    [
      'never ends',
      () =>
        new Readable({
          read() {
            this.push(Buffer.alloc(65_536, 0x20));
          },
        }),
    ],
  ])('that %s is blamed for nothing, and not asked before it is looked at again', async (_, answer) => {
    const { asked, changes } = guest(answer);
    missing();
    await asksEnd();
    expect(asked).toHaveLength(1);
    expect(changes).not.toHaveBeenCalled();
    expect(missing()).toBeUndefined();
    await asksEnd();
    expect(asked).toHaveLength(2);
  });

  test('that is gone meanwhile is not asked', async () => {
    const { asked } = guest(has(256));
    missing();
    counts?.forget(id);
    await asksEnd();
    expect(asked).toEqual([]);
  });
});
