import { describe, expect, test } from 'vitest';
import { eventsOf } from '../../../src/plan/events.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { InstanceStatus } from '../../../src/api/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { elapse, hostOf, pass, settle } from '../../support/simulated-host.ts';
import type { SimulatedHost } from '../../support/simulated-host.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import { keptMemoryOf, standbyWorld, VOID } from '../../support/standby-worlds.ts';
import {
  anInstance,
  aRecord,
  aRun,
  freshWorld,
  HOST,
  NOW,
  pinned,
  PROCESS,
  runningWorld,
  STARTED,
  wanted,
} from '../../support/worlds.ts';

const standby = wanted({ state: 'Standby' });
const GONE = { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} } as const;

function statusFor(world: World): InstanceStatus {
  return statusOf(world, { is: 'planned', plan: plan(world) });
}

function conditionsOf(world: World): Readonly<Record<string, string>> {
  return Object.fromEntries(
    statusFor(world).conditions.map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );
}

/** What is told on the way, from one status to the next. */
function eventsOn(start: SimulatedHost): readonly string[] {
  let host = start;
  let status = statusFor(host.world);
  const told: string[] = [];
  for (let round = 0; round < 40; round++) {
    const after = pass(host);
    if (after.plan.actions.length === 0 && after.plan.lookAgainMs === undefined) return told;
    host = elapse(after.host, after.plan.lookAgainMs ?? 1);
    const next = statusOf(host.world, { is: 'planned', plan: plan(host.world) }, status);
    told.push(...eventsOf(status, next, NOW).map(({ type, reason }) => `${type} ${reason}`));
    status = next;
  }
  throw new Error('it does not come to rest');
}

describe('into standby', () => {
  test('a program that runs is suspended as it was started, whatever was edited since', () => {
    const edited = wanted({
      state: 'Standby',
      vcpus: 4,
      network: { enabled: false, egress: { enabled: false, mode: 'all' } },
    });
    expect(plan(runningWorld({ desired: edited })).actions).toMatchObject([
      { kind: 'suspend-machine', machine: { vcpus: 2, memory: 'file', nic: { tap: 'hm-testzmbrgj3a' } } },
    ]);
  });

  test('it is put on record and on disk, and then it rests', () => {
    const fresh = standbyWorld({
      desired: standby,
      record: aRecord({ image: pinned(), run: aRun() }),
      standby: keptMemoryOf(aRun(), { isSettled: false }),
    });
    expect(stepsOf(fresh)).toEqual(['write-record', 'settle-standby']);
    expect(conditionsOf(fresh)).toMatchObject({ Ready: 'False Suspending', Running: 'False Standby' });
    const { host, plan: last } = settle(hostOf(fresh), 10);
    expect(last).toMatchObject({ verdict: 'rest', reason: 'Standby' });
    expect(statusFor(host.world)).toMatchObject({ state: 'Standby', hasSnapshot: true });
    expect(conditionsOf(host.world)).toMatchObject({ Ready: 'True Standby', Running: 'False Standby' });
    expect(host.world.network.tap.state).toBe('up');
  });

  test('a stopped one boots first; one that boots is waited for', () => {
    const { host, starts } = settle(hostOf(freshWorld({ desired: standby })), 40);
    expect([starts, host.world.standby.state, host.world.machine.state]).toEqual([1, 'ready', 'absent']);
    const { readyAt, ...booting } = aRun({}, NOW - 1_000);
    expect(readyAt).toBeDefined();
    const world = runningWorld({
      desired: standby,
      record: aRecord({ image: pinned(), run: booting }),
      guest: { state: 'booting' },
    });
    expect(plan(world)).toMatchObject({ verdict: 'waiting', reason: 'Booting' });
  });

  test('one whose program has ended rests with that reason', () => {
    const exit = { code: 0, message: 'exit code 0', at: NOW - 1_000 };
    const record = aRecord({ image: pinned(), run: aRun(), exit, stoppedAt: NOW - 500, failures: 1 });
    const world = runningWorld({
      desired: standby,
      machine: { state: 'absent' },
      guest: { state: 'silent' },
      record,
    });
    expect(plan(world)).toMatchObject({ verdict: 'rest', reason: 'Completed' });
    expect(conditionsOf(world)).toMatchObject({ Ready: 'False Completed' });
  });

  test('a hypervisor that cannot do it is told of, and its guest runs on', () => {
    const host = { ...HOST, drivers: { qemu: { version: '7.2', accelerator: 'tcg' } } } as const;
    expect(plan(runningWorld({ desired: standby, host }))).toMatchObject({
      reason: 'StandbyUnavailable',
      actions: [],
    });
    expect(plan(freshWorld({ desired: standby, host, record: aRecord() }))).toMatchObject({
      reason: 'StandbyUnavailable',
      actions: [],
    });
  });

  test('a suspension that was cut short is finished by asking again', () => {
    const world = standbyWorld({ desired: standby, machine: { state: 'paused', process: PROCESS } });
    expect(stepsOf(world)).toEqual(['suspend-machine']);
  });
});

describe('out of standby', () => {
  test('network and guard are there before, on record before, and the guest is refreshed once after', () => {
    const rebooted = hostOf(standbyWorld({ network: GONE }));
    const steps: string[] = [];
    let host = rebooted;
    for (let round = 0; round < 10; round++) {
      steps.push(...stepsOf(host.world));
      const after = pass(host);
      host = elapse(after.host, after.plan.lookAgainMs ?? 1);
    }
    expect(steps).toEqual([
      ...['create-tap', 'guard', 'write-record', 'restore-machine'],
      ...['refresh-guest', 'write-record'],
    ]);
    expect(conditionsOf(host.world)).toMatchObject({
      Ready: 'True ProgramRunning',
      UpToDate: 'True UpToDate',
    });
  });

  test('it is not ready before its guest knows the time', () => {
    const run = { ...aRun(), standby: { is: 'resumed', at: NOW } as const };
    const world = runningWorld({ record: aRecord({ image: pinned(), run }), guest: { state: 'silent' } });
    expect(conditionsOf(world)).toMatchObject({ Ready: 'False Restoring', Running: 'True ProgramRunning' });
    expect(stepsOf(world)).toEqual([]);
    expect(stepsOf({ ...world, guest: STARTED })).toEqual(['refresh-guest', 'write-record']);
  });

  test('edits stay pending, and restarts are answered when it runs again', () => {
    const desired = wanted({ vcpus: 4, updatePolicy: 'Restart' });
    const { host, starts } = settle(hostOf(standbyWorld({ desired })), 40);
    expect([starts, host.world.record]).toMatchObject([1, { run: { applied: { fields: { vcpus: '4' } } } }]);
    const annotated = {
      ...wanted({ state: 'Standby', vcpus: 4, updatePolicy: 'Restart' }),
      instance: anInstance({ state: 'Standby', vcpus: 4, updatePolicy: 'Restart' }, '2026-01-02T00:00:00Z'),
    };
    const resting = standbyWorld({ desired: annotated });
    expect(plan(resting)).toMatchObject({ verdict: 'rest', reason: 'Standby', actions: [] });
    expect(statusFor(resting).pendingFields).toEqual(['vcpus']);
  });

  test('another version of the hypervisor keeps the memory and says what can be done', () => {
    const world = standbyWorld({ standby: keptMemoryOf(aRun(), { version: '8.2' }) });
    const { reason, message, actions, verdict } = plan(world);
    expect({ reason, actions, verdict }).toEqual({ reason: 'RestoreFailed', actions: [], verdict: 'stuck' });
    expect(message).toMatch(/qemu 8\.2.*qemu 7\.2.*state Stopped/s);
    expect(conditionsOf(world)).toMatchObject({
      Ready: 'False RestoreFailed',
      Stalled: 'True RestoreFailed',
    });
  });

  test('no image, no disk: nothing is restored, nothing discarded', () => {
    expect(plan(standbyWorld({ overlay: { state: 'absent' } }))).toMatchObject({ reason: 'RestoreFailed' });
    expect(stepsOf(standbyWorld({ image: { state: 'absent' } }))).toEqual(['pull-image']);
  });

  test('a restore that was cut short goes on from what it left', () => {
    const resumed = aRecord({
      image: pinned(),
      run: { ...aRun(), standby: { is: 'resumed', at: NOW } },
    });
    const created = standbyWorld({ record: resumed, machine: { state: 'created', process: PROCESS } });
    expect(stepsOf(created)).toEqual(['kill-machine']);
    const still = standbyWorld({ record: resumed, machine: { state: 'paused', process: PROCESS } });
    expect(stepsOf(still)).toEqual(['restore-machine']);
    expect(stepsOf({ ...still, network: GONE })).toEqual(['kill-machine']);
  });
});

describe('a memory that goes', () => {
  test('is given up for Stopped, on record first, and the start after that is a cold one', () => {
    const world = standbyWorld({ desired: wanted({ state: 'Stopped' }) });
    expect(plan(world)).toMatchObject({
      message: 'spec.state is Stopped: the memory of the standby is lost, the disks are kept',
      actions: [
        { kind: 'write-record', record: { stopping: { because: 'Stopped' } } },
        { kind: 'discard-standby' },
      ],
    });
    const { host, plan: last } = settle(hostOf(world), 10);
    expect(last).toMatchObject({ verdict: 'rest', reason: 'Stopped' });
    expect(host.world).toMatchObject({
      standby: { state: 'absent' },
      overlay: { state: 'ready' },
      record: { failures: 0 },
    });
    expect(settle(hostOf({ ...host.world, desired: wanted() }), 40).starts).toBe(1);
  });

  test('is seen gone before anything else of a removal', () => {
    expect(stepsOf(standbyWorld({ desired: { is: 'gone' } }))).toEqual(['write-record', 'discard-standby']);
  });

  test('that is void, or was taken away, is a warning and a cold start', () => {
    for (const lost of [VOID, { state: 'absent' } as const]) {
      const world = standbyWorld({ standby: lost });
      expect(plan(world)).toMatchObject({ reason: 'MemoryLost' });
      expect(conditionsOf(world)).toMatchObject({ Ready: 'False MemoryLost' });
      const { host, starts } = settle(hostOf(world), 40);
      expect([starts, host.world.record]).toMatchObject([1, { restarts: 1 }]);
    }
  });

  test('of a machine that went on from it and crashed is a crash, and no lost memory', () => {
    const record = aRecord({ image: pinned(), run: { ...aRun(), standby: { is: 'resumed', at: NOW } } });
    expect(plan(standbyWorld({ record, standby: VOID }))).toMatchObject({ reason: 'Ended' });
  });
});

test('the events tell of standby, of going on, of a memory given up and of one lost', () => {
  expect(eventsOn(hostOf(runningWorld({ desired: standby })))).toEqual(['Normal Suspended']);
  expect(eventsOn(hostOf(standbyWorld()))).toEqual(['Normal Restored']);
  expect(eventsOn(hostOf(standbyWorld({ desired: wanted({ state: 'Stopped' }) })))).toEqual([
    'Normal MemoryDiscarded',
    'Normal MachineEnded',
  ]);
  const before = statusFor(standbyWorld());
  const lost = statusFor(standbyWorld({ standby: VOID }));
  expect(eventsOf(before, lost, NOW)).toMatchObject([{ type: 'Warning', reason: 'MemoryLost' }]);
  expect(eventsOn(hostOf(standbyWorld({ standby: VOID })))).toEqual([
    'Normal Restarted',
    'Normal ProgramStarted',
  ]);
});
