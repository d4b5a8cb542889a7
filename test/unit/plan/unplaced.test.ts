import { describe, expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { hostOf, settle } from '../../support/simulated-host.ts';
import { aRecord, aRun, NOW, pinned, runningWorld, wanted } from '../../support/worlds.ts';

const refused = { reason: 'Invalid', message: 'spec.image: is missing' } as const;
const held = { is: 'held', uid: 'uid-1', generation: 2, refused } as const;

describe('an instance that nobody can read, and that has no place here', () => {
  const world = runningWorld({ desired: { ...held, isToStop: true } });

  test('is stopped, keeps its disks, and still says what is wrong with it', () => {
    const { host, plan: last } = settle(hostOf(world), 30);
    expect(host.world).toMatchObject({ machine: { state: 'absent' }, overlay: { state: 'ready' } });
    expect(host.world.record).toMatchObject({ failures: 0, exit: { code: 143 } });
    expect(last).toMatchObject({ verdict: 'stuck', reason: 'Invalid', actions: [] });
    expect(statusOf(host.world, { is: 'planned', plan: last })).toMatchObject({ state: 'Stopped' });
  });

  test('with a place runs on', () => {
    expect(plan({ ...world, desired: held }).actions).toEqual([]);
  });
});

describe('an instance that may not start now', () => {
  const startBar = { reason: 'Evicted', message: 'it waits for a place' };
  const barred = (changes: Partial<World> = {}, annotations = {}): World => {
    const { instance, ...others } = wanted();
    return runningWorld({
      desired: { ...others, instance: { ...instance, annotations }, startBar },
      ...changes,
    });
  };
  const down = { machine: { state: 'absent' }, guest: { state: 'silent' } } as const;
  const exit = { code: 0, message: 'exit code 0', at: NOW };
  const record = aRecord({ image: pinned(), run: aRun(), exit, stoppedAt: NOW, failures: 1 });

  test('waits, and says so, when it would start', () => {
    const asked = barred({ ...down, record }, { 'hypeman.dev/restartedAt': 'now' });
    expect(plan(asked)).toMatchObject({ verdict: 'waiting', reason: 'Evicted', actions: [] });
  });

  test('is at rest when nothing would start it', () => {
    expect(plan(barred({ ...down, record }))).toMatchObject({ verdict: 'rest', reason: 'Completed' });
  });

  test('runs on when it runs', () => {
    expect(plan(barred())).toEqual(plan(runningWorld()));
  });
});
