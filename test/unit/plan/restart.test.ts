import { describe, expect, test } from 'vitest';
import type { Instance } from '../../../src/api/instance.ts';
import { restartDelayMs } from '../../../src/plan/backoff.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { Wanted, World } from '../../../src/plan/world.ts';
import { hostOf, settle } from '../../support/simulated-host.ts';
import {
  aRecord,
  aRun,
  HOST,
  IDENTITY,
  imageOf,
  NOW,
  pinned,
  runningWorld,
  wanted,
} from '../../support/worlds.ts';

function kindsOf(world: World): readonly string[] {
  return plan(world).actions.map(({ kind }) => kind);
}

function because(world: World): unknown {
  const [write] = plan(world).actions;
  return write?.kind === 'write-record' ? write.record.stopping?.because : undefined;
}

const run = aRun();
const CODE_1 = { code: 1, message: 'exit code 1', at: NOW - 500 };
const down = { machine: { state: 'absent' }, guest: { state: 'silent' } } as const;

describe('backoff', () => {
  test('doubles from a second to five minutes, each pause shortened by at most a quarter', () => {
    for (let failures = 1; failures < 40; failures++) {
      const full = Math.min(300_000, 1_000 * 2 ** (failures - 1));
      const pause = restartDelayMs(IDENTITY.id, failures, 'exit');
      expect(pause).toBeLessThanOrEqual(full);
      expect(pause).toBeGreaterThanOrEqual(full * 0.75);
    }
  });

  test('the first crash is healed at once, a second one soon after it is not', () => {
    expect(restartDelayMs(IDENTITY.id, 1, 'crash')).toBe(0);
    expect(restartDelayMs(IDENTITY.id, 2, 'crash')).toBeGreaterThan(0);
  });

  test('a program that ends again is started again when its pause is over', () => {
    const record = aRecord({ image: pinned(), run, exit: CODE_1, stoppedAt: NOW, failures: 3 });
    const world = runningWorld({ ...down, record });
    expect(plan(world)).toMatchObject({ verdict: 'waiting', reason: 'CrashLoop', actions: [] });
    expect(kindsOf({ ...world, now: NOW + 4_000 })).not.toEqual([]);
  });

  test('ten good minutes forgive, less do not', () => {
    const exit = { ...CODE_1, at: NOW };
    const failuresAfter = (readyAt: number): unknown => {
      const [write] = plan(
        runningWorld({
          ...down,
          record: aRecord({ image: pinned(), run: { ...run, readyAt }, exit, failures: 7 }),
        }),
      ).actions;
      return write?.kind === 'write-record' ? write.record.failures : undefined;
    };
    expect([failuresAfter(NOW - 600_000), failuresAfter(NOW - 599_000)]).toEqual([1, 8]);
  });

  test('an edit ends the pause: it may be the cure', () => {
    const record = aRecord({ image: pinned(), run, exit: CODE_1, stoppedAt: NOW, failures: 9 });
    expect(plan(runningWorld({ ...down, record, desired: wanted({ cmd: ['mended'] }) })).verdict).toBe(
      'unmet',
    );
  });

  test('a guest that never becomes ready is ended after five minutes, and started again', () => {
    const booting = bootingRun({}, NOW - 299_000);
    const host = { ...HOST, watchingSince: NOW - 400_000 };
    const world = runningWorld({
      host,
      guest: { state: 'silent' },
      record: aRecord({ image: pinned(), run: booting }),
    });
    expect(plan(world)).toMatchObject({ reason: 'Booting', lookAgainMs: 1_000 });
    expect(kindsOf({ ...world, now: NOW + 1_000 })).toEqual(['write-record', 'kill-machine']);
    expect(because({ ...world, now: NOW + 1_000 })).toBe('NeverReady');
  });

  test('silence is not held against a guest when the controller has only just come back', () => {
    const booting = bootingRun({}, NOW - 3_000_000);
    const host = { ...HOST, watchingSince: NOW - 1_000 };
    const world = runningWorld({
      host,
      guest: { state: 'silent' },
      record: aRecord({ image: pinned(), run: booting }),
    });
    expect(plan(world)).toMatchObject({ verdict: 'waiting', reason: 'Booting' });
  });

  test('a clock that went back does not stretch a pause', () => {
    const record = aRecord({ image: pinned(), run, exit: CODE_1, stoppedAt: NOW + 3_600_000, failures: 3 });
    expect(plan(runningWorld({ ...down, record })).verdict).toBe('unmet');
  });
});

describe('edits', () => {
  const edited = { vcpus: 4, cmd: ['other'] };

  test('wait under OnRestart and are brought by any restart', () => {
    expect(plan(runningWorld({ desired: wanted(edited) }))).toMatchObject({ verdict: 'rest', actions: [] });
  });

  test('cause one graceful restart under Restart', () => {
    const world = runningWorld({
      desired: wanted({ ...edited, updatePolicy: 'Restart' }, { generation: 2 }),
    });
    expect(because(world)).toBe('Restart');
    const { host, starts } = settle(hostOf(world), 40);
    expect(starts).toBe(1);
    expect(host.world.record).toMatchObject({
      restarts: 0,
      run: { applied: { generation: 2, fields: { vcpus: '4' } } },
    });
  });

  test('never stop what could not be started again', () => {
    const environment = { is: 'missing', reason: 'SecretNotFound', message: 'no Secret db' } as const;
    const desired = wanted({ ...edited, updatePolicy: 'Restart' }, { environment });
    expect(plan(runningWorld({ desired }))).toMatchObject({
      verdict: 'waiting',
      reason: 'SecretNotFound',
      actions: [],
    });
    expect(plan(runningWorld({ desired: asked(desired, 'now') }))).toMatchObject({
      reason: 'SecretNotFound',
      actions: [],
    });
  });

  test('of bandwidth are live', () => {
    const network = {
      enabled: true,
      downloadBps: 1_000_000,
      egress: { enabled: false, mode: 'all' },
    } as const;
    expect(plan(runningWorld({ desired: wanted({ network }) })).actions).toMatchObject([
      { kind: 'shape-tap', shaping: { downloadBps: 1_000_000 } },
    ]);
  });

  test('a smaller overlay is never made, and is no reason to restart', () => {
    const desired = wanted({ overlayBytes: 5 * 2 ** 30, updatePolicy: 'Restart' });
    const { starts, host } = settle(hostOf(runningWorld({ desired })), 40);
    expect(starts).toBe(0);
    expect(host.world.overlay).toEqual({ state: 'ready', bytes: 10 * 2 ** 30 });
  });

  test('a larger overlay grows at the next start', () => {
    const desired = wanted({ overlayBytes: 20 * 2 ** 30, updatePolicy: 'Restart' });
    expect(settle(hostOf(runningWorld({ desired })), 40).host.world.overlay).toEqual({
      state: 'ready',
      bytes: 20 * 2 ** 30,
    });
  });

  test('another default hypervisor of the host is no edit', () => {
    const host = { ...HOST, defaultHypervisor: 'firecracker' } as const;
    expect(plan(runningWorld({ host, desired: wanted({ updatePolicy: 'Restart' }) }))).toMatchObject({
      verdict: 'rest',
    });
  });
});

describe('another image', () => {
  const redis = 'docker.io/library/redis:7';

  test('waits under OnRestart and Restart, over every restart', () => {
    const desired = asked(wanted({ image: redis, updatePolicy: 'Restart' }), 'now');
    const { host, starts } = settle(hostOf(runningWorld({ desired })), 40);
    expect(starts).toBe(1);
    expect(host.world.record).toMatchObject({ image: pinned() });
  });

  test('under Recreate is pulled before the old one is given up, and then takes its place', () => {
    const desired = wanted({ image: redis, updatePolicy: 'Recreate' });
    const world = runningWorld({ desired, nextImage: { state: 'absent' } });
    expect(plan(world).actions).toEqual([{ kind: 'pull-image', reference: redis }]);
    expect(plan({ ...world, nextImage: { state: 'pulling', progress: '1 of 2' } })).toMatchObject({
      verdict: 'waiting',
      actions: [],
    });
    expect(because({ ...world, nextImage: imageOf(redis) })).toBe('Recreate');
    const { host, starts } = settle(hostOf(world), 40);
    expect(starts).toBe(1);
    expect(host.world).toMatchObject({ record: { image: pinned(redis) }, machine: { state: 'running' } });
  });

  test('that cannot be pulled leaves the old one running, or starts it', () => {
    const desired = wanted({ image: 'docker.io/library/typo:1', updatePolicy: 'Recreate' });
    const nextImage = {
      state: 'failed',
      fate: 'invalid',
      reason: 'ImageNotFound',
      message: 'no',
      retryAt: 0,
    } as const;
    expect(plan(runningWorld({ desired, nextImage }))).toMatchObject({
      verdict: 'stuck',
      reason: 'ImageNotFound',
      actions: [],
    });
    const record = aRecord({ image: pinned(), run, stoppedAt: NOW - 1 });
    expect(kindsOf(runningWorld({ ...down, desired, nextImage, record }))).toEqual(['write-boot']);
  });
});

describe('the restart annotation', () => {
  test('restarts gracefully, once', () => {
    const { host, starts } = settle(
      hostOf(runningWorld({ desired: asked(wanted(), '2026-01-02T00:00:00Z') })),
      40,
    );
    expect(starts).toBe(1);
    expect(host.world.record).toMatchObject({ restartedAt: '2026-01-02T00:00:00Z', restarts: 0 });
  });
});

describe('a network that is lost', () => {
  test('rules are put back live, a tap only by a restart', () => {
    const { network } = runningWorld();
    expect(kindsOf(runningWorld({ network: { ...network, guard: { state: 'open' } } }))).toEqual([
      'guard-tap',
    ]);
    expect(because(runningWorld({ network: { ...network, tap: { state: 'absent' } } }))).toBe('Restart');
  });
});

function bootingRun(...started: Parameters<typeof aRun>): ReturnType<typeof aRun> {
  const { startedAt, hypervisor, applied } = aRun(...started);
  return { startedAt, hypervisor, applied };
}

function asked(desired: Wanted, restartedAt: string): Wanted {
  const instance: Instance = { ...desired.instance, annotations: { 'hypeman.dev/restartedAt': restartedAt } };
  return { ...desired, instance };
}
