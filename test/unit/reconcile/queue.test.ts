import { describe, expect, test } from 'vitest';
import { Queue } from '../../../src/reconcile/queue.ts';
import type { Next, QueueMetrics, QueueSettings } from '../../../src/reconcile/queue.ts';
import { fakeClock, idle } from '../../support/fake-clock.ts';
import type { FakeClock } from '../../support/fake-clock.ts';

const REST: Next = { again: 'on-change' };
const HOUR = 3_600_000;

type Bench = {
  readonly clock: FakeClock;
  readonly queue: Queue<string>;
  /** Keys in the order in which their work began, each with the time. */
  readonly begun: string[];
  /** Ends the oldest piece of work in hand with this answer. */
  readonly end: (next?: Next) => Promise<void>;
};

/** Work that ends when the test says so, or at once with `answer`. */
function aBench(settings: Partial<QueueSettings> = {}, answer?: (key: string) => Next): Bench {
  const clock = fakeClock();
  const begun: string[] = [];
  const inHand: ((next: Next) => void)[] = [];
  const work = (key: string): Promise<Next> => {
    begun.push(`${key}@${clock.now()}`);
    if (answer !== undefined) return Promise.resolve(answer(key));
    return new Promise((resolve) => inHand.push(resolve));
  };
  const queue = new Queue<string>(work, {
    concurrency: 2,
    resyncMs: HOUR,
    clock,
    random: () => 0,
    ...settings,
  });
  const end = async (next: Next = REST): Promise<void> => {
    inHand.shift()?.(next);
    await idle();
  };
  return { clock, queue, begun, end };
}

describe('a key', () => {
  test('that is added many times before its turn runs once', async () => {
    const { queue, begun, clock } = aBench({}, () => REST);
    for (let times = 0; times < 10; times++) queue.add('a');
    await clock.advance(10);
    expect(begun).toEqual(['a@0']);
  });

  test('is never in two hands at once, and what arrives meanwhile runs once more', async () => {
    const { queue, begun, clock, end } = aBench();
    queue.add('a');
    await clock.advance(0);
    queue.add('a');
    queue.add('a');
    await clock.advance(5);
    expect(begun).toEqual(['a@0']);
    await end();
    expect(begun).toEqual(['a@0', 'a@5']);
    await end();
    await clock.advance(1_000);
    expect(begun).toHaveLength(2);
  });

  test('keeps the earlier of two times', async () => {
    const { queue, begun, clock } = aBench({}, () => REST);
    queue.addAfter('a', 500);
    queue.addAfter('a', 100);
    queue.addAfter('a', 900);
    await clock.advance(1_000);
    expect(begun).toEqual(['a@100']);
  });

  test('that is to come back later is woken earlier by a change', async () => {
    const answers: Next[] = [{ again: 'after', ms: 5_000 }, REST];
    const { queue, begun, clock } = aBench({}, () => answers.shift() ?? REST);
    queue.add('a');
    await clock.advance(1_000);
    queue.add('a');
    await clock.advance(10_000);
    expect(begun).toEqual(['a@0', 'a@1000']);
  });

  test('waits longer after each failure, and a success forgets them', async () => {
    const answers: Next['again'][] = ['backoff', 'backoff', 'backoff', 'now', 'backoff'];
    const { queue, begun, clock } = aBench({}, () => ({ again: answers.shift() ?? 'on-change' }) as Next);
    queue.add('a');
    await clock.advance(60_000);
    expect(begun).toEqual(['a@0', 'a@250', 'a@750', 'a@1750', 'a@1750', 'a@2000']);
  });

  test('never waits longer than five minutes after a failure', async () => {
    const { queue, begun, clock } = aBench({}, () => ({ again: 'backoff' }));
    queue.add('a');
    await clock.advance(10 * HOUR);
    const times = begun.map((each) => Number(each.slice(2)));
    const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0));
    expect(Math.max(...pauses)).toBe(300_000);
  });
});

describe('the workers', () => {
  test('are as many as was said, and a slow key holds up no other', async () => {
    const { queue, begun, clock, end } = aBench({ concurrency: 2 });
    for (const key of ['slow', 'b', 'c', 'd']) queue.add(key);
    await clock.advance(0);
    expect([begun.length, queue.active, queue.depth]).toEqual([2, 2, 2]);
    await end();
    await end();
    await end();
    expect(begun.map((each) => each[0])).toEqual(['s', 'b', 'c', 'd']);
  });

  test('take keys in the order in which they became due', async () => {
    const { queue, begun, clock } = aBench({ concurrency: 1 }, () => REST);
    queue.addAfter('later', 20);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await clock.advance(100);
    expect(begun.map((each) => each.split('@')[0])).toEqual(['a', 'b', 'c', 'later']);
  });
});

describe('at rest', () => {
  test('there is one timer, for the next resync, and it keeps no process alive', async () => {
    const { queue, clock } = aBench({}, () => REST);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await clock.advance(10);
    expect(clock.timers()).toMatchObject([{ at: 0.9 * HOUR, isVital: false }]);
    queue.addAfter('d', 5_000);
    await clock.advance(0);
    expect(clock.timers()).toMatchObject([{ at: 5_010, isVital: true }]);
  });

  test('a key is looked at again after about the resync time, spread by a tenth each way', async () => {
    let next = 0;
    const random = (): number => [0, 0.999][next++ % 2] ?? 0;
    const { queue, begun, clock } = aBench({ random }, () => REST);
    queue.add('a');
    queue.add('b');
    await clock.advance(2 * HOUR);
    const second = begun.slice(2, 4).map((each) => Number(each.split('@')[1]) / HOUR);
    expect(second[0]).toBeCloseTo(0.9, 2);
    expect(second[1]).toBeCloseTo(1.1, 2);
  });

  test('a key that was forgotten does not come back by itself', async () => {
    const { queue, begun, clock } = aBench({}, () => ({ again: 'forget' }));
    queue.add('a');
    await clock.advance(10 * HOUR);
    expect(begun).toEqual(['a@0']);
    expect(clock.timers()).toEqual([]);
  });

  test('is known: quiet resolves when nothing has anything to do, resyncs aside', async () => {
    const answers: Next[] = [{ again: 'now' }, { again: 'after', ms: 100 }, REST];
    const { queue, clock } = aBench({}, () => answers.shift() ?? REST);
    let isQuiet = false;
    queue.add('a');
    void queue.quiet().then(() => {
      isQuiet = true;
    });
    await clock.advance(99);
    expect(isQuiet).toBe(false);
    await clock.advance(2);
    expect(isQuiet).toBe(true);
  });
});

describe('the end', () => {
  test('lets running work end, starts no other and leaves no timer', async () => {
    const { queue, begun, clock, end } = aBench({ concurrency: 1 });
    queue.add('a');
    queue.add('b');
    await clock.advance(0);
    let isDrained = false;
    void queue.drain().then(() => {
      isDrained = true;
    });
    queue.add('c');
    await idle();
    expect(isDrained).toBe(false);
    await end({ again: 'now' });
    await clock.advance(HOUR);
    expect([isDrained, begun.length, clock.timers().length]).toEqual([true, 1, 0]);
  });
});

test('ten thousand keys are worked off with one timer and nothing left behind', async () => {
  const { queue, begun, clock } = aBench({ concurrency: 50 }, () => REST);
  for (let key = 0; key < 10_000; key++) queue.add(`k${key}`);
  await queue.quiet();
  for (let round = 0; round < 5; round++) for (let key = 0; key < 10_000; key++) queue.add(`k${key}`);
  await queue.quiet();
  expect([begun.length, queue.depth, queue.active, clock.timers().length]).toEqual([20_000, 0, 0, 1]);
});

test('the queue tells what controller-runtime would', async () => {
  const seen: Record<string, number[]> = {};
  const take =
    (name: string) =>
    (value = 1) => {
      (seen[name] ??= []).push(value);
    };
  const metrics: QueueMetrics = {
    queueAdded: take('added'),
    queueRetried: take('retried'),
    queueWaited: take('waited'),
    queueDepth: take('depth'),
    workers: take('workers'),
  };
  const answers: Next[] = [{ again: 'backoff' }, REST];
  const { queue, clock } = aBench({ metrics }, () => answers.shift() ?? REST);
  queue.add('a');
  await clock.advance(1_000);
  expect(seen).toMatchObject({ added: [1], retried: [1], waited: [0, 0], workers: [1, 0, 1, 0] });
  expect(seen.depth?.at(-1)).toBe(0);
});
