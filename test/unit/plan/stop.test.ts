import { describe, expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import { BENIGN, hostOf, settle } from '../../support/simulated-host.ts';
import { aRecord, aRun, NOW, pinned, runningWorld, wanted } from '../../support/worlds.ts';

function kindsOf(world: World): readonly string[] {
  return plan(world).actions.map(({ kind }) => kind);
}

const stopped = wanted({ state: 'Stopped' });
const running = { image: pinned(), run: aRun() };
const deaf = { ...BENIGN, heedsStop: false };

describe('a stop', () => {
  test('begins on record and with a request, and its machine is not killed for 30 s', () => {
    const first = plan(runningWorld({ desired: stopped }));
    expect(first.actions).toMatchObject([
      { kind: 'write-record', record: { stopping: { since: NOW, because: 'Stopped' } } },
      { kind: 'request-shutdown', graceMs: 30_000 },
    ]);
    const stopping = { since: NOW - 29_000, because: 'Stopped' } as const;
    const late = plan(runningWorld({ desired: stopped, record: aRecord({ ...running, stopping }) }));
    expect(late.actions).toMatchObject([{ kind: 'request-shutdown', graceMs: 1_000 }]);
  });

  test('that is not heard ends in a kill', () => {
    const { host } = settle(hostOf(runningWorld({ desired: stopped }), deaf), 30);
    expect(host.world.machine.state).toBe('absent');
    expect(host.world.now - NOW).toBeGreaterThanOrEqual(30_000);
    expect(host.world.now - NOW).toBeLessThan(40_000);
  });

  test('that has begun is seen through, even when Running is wanted again', () => {
    const stopping = { since: NOW - 1_000, because: 'Stopped' } as const;
    const world = runningWorld({ record: aRecord({ ...running, stopping }) });
    expect(kindsOf(world)).toEqual(['request-shutdown']);
    const { host } = settle(hostOf(world), 30);
    expect(host.world).toMatchObject({ machine: { state: 'running' }, record: { restarts: 0, failures: 0 } });
  });

  test('leaves an instance at rest, with its exit code and without a machine', () => {
    const { host, plan: last } = settle(hostOf(runningWorld({ desired: stopped })), 30);
    expect(last).toMatchObject({ verdict: 'rest', reason: 'Stopped' });
    expect(host.world.record).toMatchObject({ exit: { code: 143 }, failures: 0 });
  });

  test('of a machine that does not answer waits for its deadline, then kills', () => {
    const machine = {
      state: 'unknown',
      process: { pid: 1, startTime: 1, bootId: 'b' },
      error: 'silent',
    } as const;
    const stopping = { since: NOW - 20_000, because: 'Stopped' } as const;
    const world = runningWorld({ machine, desired: stopped, record: aRecord({ ...running, stopping }) });
    expect(plan(world)).toMatchObject({ verdict: 'waiting', actions: [] });
    expect(kindsOf({ ...world, now: NOW + 20_000 })).toEqual(['kill-machine']);
  });

  test('a machine that does not answer is left alone while it is wanted', () => {
    const machine = {
      state: 'unknown',
      process: { pid: 1, startTime: 1, bootId: 'b' },
      error: 'silent',
    } as const;
    expect(plan(runningWorld({ machine }))).toMatchObject({
      verdict: 'waiting',
      reason: 'Unreachable',
      actions: [],
    });
  });
});

describe('an exit of the program', () => {
  const exited = { state: 'exited', exit: { code: 3, message: 'exit code 3' } } as const;

  test('is on disk before init may power off', () => {
    expect(plan(runningWorld({ guest: exited })).actions).toMatchObject([
      { kind: 'write-record', record: { exit: { code: 3, at: NOW } } },
      { kind: 'acknowledge-exit' },
    ]);
  });

  test('whose machine does not power off is ended by us after ten seconds', () => {
    const exit = { code: 3, message: 'exit code 3', at: NOW - 9_000 };
    const world = runningWorld({ guest: exited, record: aRecord({ ...running, exit }) });
    expect(kindsOf(world)).toEqual(['acknowledge-exit']);
    expect(kindsOf({ ...world, now: NOW + 1_000 })).toEqual(['kill-machine']);
  });

  test('under Never is the end: no start, and the status can say why', () => {
    const {
      host,
      plan: last,
      starts,
    } = settle(hostOf(runningWorld({ desired: wanted({ restartPolicy: 'Never' }), guest: exited })), 30);
    expect(last).toMatchObject({ verdict: 'rest', reason: 'Exited' });
    expect([starts, host.world.machine.state]).toEqual([0, 'absent']);
  });

  test('with success under OnFailure is the end; powering off from inside is a success', () => {
    const machine = { state: 'absent', ended: 'guest-shutdown' } as const;
    const { plan: last } = settle(hostOf(runningWorld({ machine, guest: { state: 'silent' } })), 30);
    expect(last).toMatchObject({ verdict: 'rest', reason: 'Completed' });
  });

  test('that ended an instance is answered by the restart annotation, and by Stopped and Running', () => {
    const ended = settle(
      hostOf(runningWorld({ desired: wanted({ restartPolicy: 'Never' }), guest: exited })),
      30,
    ).host;
    const annotated = wanted({ restartPolicy: 'Never' });
    const annotations = { 'hypeman.dev/restartedAt': '2026-01-02T00:00:00Z' };
    const desired = { ...annotated, instance: { ...annotated.instance, annotations } };
    expect(settle(hostOf({ ...ended.world, desired }), 30).starts).toBe(1);
    const off = settle(hostOf({ ...ended.world, desired: stopped }), 30).host;
    expect(settle(hostOf({ ...off.world, desired: wanted({ restartPolicy: 'Never' }) }), 30).starts).toBe(1);
  });
});

describe('removal', () => {
  test('goes backwards: machine, network, files, record', () => {
    const gone = { is: 'gone' } as const;
    expect(plan(runningWorld({ desired: gone }))).toMatchObject({
      reason: 'Deleting',
      actions: [{ kind: 'write-record' }, { kind: 'request-shutdown' }],
    });
    const down = runningWorld({ desired: gone, machine: { state: 'absent' } });
    expect(kindsOf(down)).toEqual(['remove-network']);
    const bare: World = {
      ...down,
      network: { tap: { state: 'absent' }, guard: { state: 'open' }, shaping: {} },
    };
    expect(kindsOf(bare)).toEqual(['forget-instance']);
    expect(plan({ ...bare, record: 'absent' })).toMatchObject({ verdict: 'rest', actions: [] });
  });

  test('another resource under the same name gets nothing of the last one', () => {
    const { host } = settle(hostOf(runningWorld({ desired: wanted({}, { uid: 'uid-2' }) })), 60);
    expect(host.world).toMatchObject({
      record: { uid: 'uid-2', restarts: 0 },
      machine: { state: 'running' },
    });
  });
});
