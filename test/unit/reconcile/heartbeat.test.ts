import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { HypemanError } from '../../../src/errors.ts';
import { keyOf } from '../../../src/machine/ids.ts';
import type { World } from '../../../src/plan/world.ts';
import { openHeartbeat } from '../../../src/reconcile/heartbeat.ts';
import type { Heartbeat } from '../../../src/reconcile/heartbeat.ts';
import type { Ports, Seen } from '../../../src/reconcile/reconcile.ts';
import { afterAction, elapse, hostOf } from '../../support/simulated-host.ts';
import type { SimulatedHost } from '../../support/simulated-host.ts';
import { fakeClock, idle } from '../../support/fake-clock.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import { freshWorld, KEY, runningWorld, wanted } from '../../support/worlds.ts';

type House = {
  readonly clock: FakeClock;
  readonly heartbeat: Heartbeat;
  readonly reports: Seen[];
  readonly done: string[];
  readonly log: Record<string, unknown>[];
  world(): World;
  set(world: World): void;
};

/** The real loop over a simulated host; `ports` puts trouble in its way. */
function aHouse(start: World, ports: Partial<Ports> = {}): House {
  const clock = fakeClock();
  const log: Record<string, unknown>[] = [];
  const reports: Seen[] = [];
  const done: string[] = [];
  let host: SimulatedHost = hostOf(start);
  const real: Ports = {
    look: () => {
      host = elapse(host, 1);
      return Promise.resolve(host.world);
    },
    act: (action) => {
      host = afterAction(host, action);
      return Promise.resolve();
    },
    report: (_, seen) => {
      reports.push(seen);
      return Promise.resolve();
    },
    done: (key) => {
      done.push(key);
      return Promise.resolve();
    },
  };
  const logger = pino(
    {},
    { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const heartbeat = openHeartbeat({ ...real, ...ports }, logger, { concurrency: 4, clock, random: () => 0 });
  return {
    clock,
    heartbeat,
    reports,
    done,
    log,
    world: () => host.world,
    set: (world) => {
      host = hostOf(world);
    },
  };
}

describe('a key that is woken', () => {
  test('comes to rest and is said to have', async () => {
    const house = aHouse(freshWorld());
    house.heartbeat.wake(KEY);
    await house.clock.advance(60_000);
    expect(house.world().machine.state).toBe('running');
    expect(await house.heartbeat.settled()).toMatchObject([{ key: KEY, is: 'rest', reason: 'AtRest' }]);
    const said = house.log.length;
    house.heartbeat.wake(KEY);
    await house.clock.advance(60_000);
    expect(house.log).toHaveLength(said);
  });

  test('whose declaration is gone is done with when nothing of it is left', async () => {
    const house = aHouse(runningWorld({ desired: { is: 'gone' } }));
    house.heartbeat.wake(KEY);
    await house.clock.advance(60_000);
    expect(house.done).toEqual([KEY]);
    expect(await house.heartbeat.settled()).toEqual([]);
    expect(house.clock.timers()).toEqual([]);
  });

  test('that is refused counts as stuck although the last good text is at rest', async () => {
    const refused = { reason: 'Invalid', message: 'spec.vcpus' } as const;
    const house = aHouse(runningWorld({ desired: wanted({}, { refused }) }));
    house.heartbeat.wake(KEY);
    await house.clock.advance(1_000);
    expect(await house.heartbeat.settled()).toMatchObject([{ is: 'stuck', reason: 'Invalid' }]);
    house.heartbeat.wake(KEY);
    await house.clock.advance(1_000);
    expect(house.log.filter(({ msg }) => msg === 'stuck')).toHaveLength(1);
  });
});

describe('an error', () => {
  function failing(error: Error, times: number): Partial<Ports> {
    let left = times;
    return {
      act: () => (left-- > 0 ? Promise.reject(error) : Promise.resolve()),
    };
  }

  test('that time may heal is tried again, later each time, and told in the status', async () => {
    const house = aHouse(
      freshWorld(),
      failing(new HypemanError('transient', 'DiskFull', 'the disk is full'), 2),
    );
    house.heartbeat.wake(KEY);
    await house.clock.advance(400);
    const failed = house.reports.filter(({ outcome }) => outcome.is === 'failed');
    expect(failed).toMatchObject([
      { outcome: { failure: { reason: 'DiskFull' } } },
      { outcome: { failure: { fate: 'transient' } } },
    ]);
    expect(failed[0]?.world?.key).toBe(KEY);
  });

  test.each(['invalid', 'bug'] as const)(
    'of fate %s is not tried again before something changes',
    async (fate) => {
      const house = aHouse(freshWorld(), failing(new HypemanError(fate, 'No', 'no'), 99));
      house.heartbeat.wake(KEY);
      await house.clock.advance(100_000);
      expect(house.reports).toHaveLength(1);
      expect(await house.heartbeat.settled()).toMatchObject([{ is: 'failed' }]);
      house.heartbeat.wake(KEY);
      await house.clock.advance(1);
      expect(house.reports).toHaveLength(2);
    },
  );

  test('is logged once, with a stack only when it is our mistake or unforeseen', async () => {
    const linesFor = async (error: Error): Promise<Record<string, unknown>[]> => {
      const house = aHouse(freshWorld(), failing(error, 1));
      house.heartbeat.wake(KEY);
      await house.clock.advance(1);
      return house.log.filter(({ msg }) => msg === 'reconcile failed');
    };
    expect(await linesFor(new HypemanError('invalid', 'No', 'no'))).toMatchObject([
      { reason: 'No', message: 'no' },
    ]);
    expect(JSON.stringify(await linesFor(new HypemanError('invalid', 'No', 'no')))).not.toContain('stack');
    expect(JSON.stringify(await linesFor(new HypemanError('bug', 'No', 'no')))).toContain('stack');
    expect(JSON.stringify(await linesFor(new TypeError('x is not a function')))).toContain('stack');
  });

  test('of one key does not touch another', async () => {
    const other = keyOf('default', 'other');
    const seen: string[] = [];
    const house = aHouse(freshWorld(), {
      look: (key) => {
        seen.push(key);
        return key === KEY
          ? Promise.reject(new HypemanError('bug', 'No', 'no'))
          : Promise.resolve(runningWorld());
      },
    });
    house.heartbeat.wake(KEY);
    house.heartbeat.wake(other);
    await house.clock.advance(1);
    expect(seen).toEqual([KEY, other]);
    expect(await house.heartbeat.settled()).toMatchObject([
      { key: KEY, is: 'failed' },
      { key: other, is: 'rest' },
    ]);
  });

  test('of the report stops nothing, and the report is made good', async () => {
    let failures = 12;
    const told: Seen[] = [];
    const house = aHouse(freshWorld(), {
      report: (_, seen) => {
        if (failures-- > 0) return Promise.reject(new Error('status directory is read-only'));
        told.push(seen);
        return Promise.resolve();
      },
    });
    house.heartbeat.wake(KEY);
    await house.clock.advance(60_000);
    expect(house.world().machine.state).toBe('running');
    expect(told.at(-1)?.outcome).toMatchObject({ plan: { reason: 'AtRest' } });
  });
});

test('actions that change nothing are not repeated in a hot loop', async () => {
  let acts = 0;
  const house = aHouse(freshWorld(), {
    act: () => {
      acts++;
      return Promise.resolve();
    },
  });
  house.heartbeat.wake(KEY);
  await house.clock.advance(60_000);
  expect(acts).toBeGreaterThan(3);
  expect(acts).toBeLessThan(15);
});

test('the end aborts what does not end by itself, and reports nothing of it', async () => {
  const house = aHouse(freshWorld(), {
    look: (_, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new Error('aborted'));
        });
      }),
  });
  house.heartbeat.wake(KEY);
  await house.clock.advance(0);
  let isClosed = false;
  void house.heartbeat.close(10_000).then(() => {
    isClosed = true;
  });
  await house.clock.advance(9_999);
  expect(isClosed).toBe(false);
  await house.clock.advance(2);
  await idle();
  expect([isClosed, house.reports.length, house.log.length]).toEqual([true, 0, 0]);
});
