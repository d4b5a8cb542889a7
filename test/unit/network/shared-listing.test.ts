import { expect, test } from 'vitest';
import { SharedListing } from '../../../src/network/shared-listing.ts';
import type { Listing } from '../../../src/network/listing.ts';

const EMPTY: Listing = {
  ...{ devices: new Map(), routes: new Map(), rules: [], ruleset: 'absent' },
  ...{ rates: new Map(), redirected: new Set() },
};

/** Listings that end when the test says so. */
function scene(maxAgeMs = 1000): {
  readonly shared: SharedListing;
  readonly begun: (() => void)[];
  readonly time: { now: number };
} {
  const begun: (() => void)[] = [];
  const time = { now: 0 };
  const list = (): Promise<Listing> =>
    new Promise((resolve) => {
      begun.push(() => {
        resolve({ ...EMPTY });
      });
    });
  return { shared: new SharedListing(list, { now: () => time.now, maxAgeMs }), begun, time };
}

test('readers at one time share one listing', async () => {
  const { shared, begun } = scene();
  const readers = ['a', 'b', 'c'].map((tap) => shared.freshFor(tap));
  begun[0]?.();
  const [first, ...others] = await Promise.all(readers);
  expect(others.every((one) => one === first)).toBe(true);
  expect(begun).toHaveLength(1);
});

test('a listing serves until it is too old', async () => {
  const { shared, begun, time } = scene(1000);
  const first = shared.freshFor('a');
  begun[0]?.();
  await first;
  time.now = 1000;
  expect(await shared.freshFor('b')).toBe(await first);
  time.now = 1001;
  void shared.freshFor('b');
  expect(begun).toHaveLength(2);
});

test('a change is seen by its own tap at once, and costs nobody else a listing', async () => {
  const { shared, begun } = scene();
  const first = shared.freshFor('a');
  begun[0]?.();
  await first;
  shared.changed('a');
  expect(await shared.freshFor('b')).toBe(await first);
  const second = shared.freshFor('a');
  expect(begun).toHaveLength(2);
  begun[1]?.();
  expect(await second).not.toBe(await first);
  expect(await shared.freshFor('a')).toBe(await second);
});

test('a listing that was under way during a change does not count for it', async () => {
  const { shared, begun } = scene();
  const early = shared.freshFor('b');
  shared.changed('a');
  const late = shared.freshFor('a');
  begun[0]?.();
  await early;
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toHaveLength(2);
  begun[1]?.();
  expect(await late).not.toBe(await early);
});

test('when everything changed, nobody is served from before', async () => {
  const { shared, begun } = scene();
  const first = shared.freshFor('a');
  begun[0]?.();
  await first;
  shared.allChanged();
  void shared.freshFor('b');
  void shared.latest();
  expect(begun).toHaveLength(2);
});

test('a listing anew is begun after the call, also when one is under way', async () => {
  const { shared, begun } = scene();
  const first = shared.freshFor('a');
  const anew = shared.anew();
  begun[0]?.();
  await first;
  await new Promise((resolve) => setImmediate(resolve));
  begun[1]?.();
  expect(await anew).not.toBe(await first);
});

test('a failed listing fails its readers, and the next one is tried afresh', async () => {
  let isBroken = true;
  const list = (): Promise<Listing> =>
    isBroken ? Promise.reject(new Error('broken')) : Promise.resolve(EMPTY);
  const shared = new SharedListing(list, { now: () => 0, maxAgeMs: 1000 });
  await expect(shared.freshFor('a')).rejects.toThrow('broken');
  isBroken = false;
  expect(await shared.freshFor('a')).toBe(EMPTY);
});
