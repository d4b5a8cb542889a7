import { describe, expect, test } from 'vitest';
import type { Condition, InstanceStatus } from '../../../src/api/status.ts';
import { HypemanError } from '../../../src/errors.ts';
import { eventsOf } from '../../../src/plan/events.ts';
import { failureOf } from '../../../src/plan/outcome.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf, statusUnseen } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { afterMove } from '../../support/host-moves.ts';
import { elapse, hostOf, pass } from '../../support/simulated-host.ts';
import type { SimulatedHost } from '../../support/simulated-host.ts';
import { aRecord, aRun, freshWorld, NOW, pinned, runningWorld, wanted } from '../../support/worlds.ts';

function told(world: World, previous?: InstanceStatus): InstanceStatus {
  return statusOf(world, { is: 'planned', plan: plan(world) }, previous);
}

function conditionOf(status: InstanceStatus, type: string): Condition | undefined {
  return status.conditions.find((each) => each.type === type);
}

describe('a running instance', () => {
  test('is told field by field, quantities in their canonical text', () => {
    const network = {
      enabled: true,
      downloadBps: 125_000_000,
      egress: { enabled: false, mode: 'all' },
    } as const;
    expect(told(runningWorld({ desired: wanted({ network }) }))).toMatchObject({
      id: 'tz4a98xxat96iws9zmbrgj3a',
      observedGeneration: 1,
      appliedGeneration: 1,
      state: 'Running',
      hypervisor: 'qemu',
      image: 'docker.io/library/nginx:1.27@sha256:docker.io/library/nginx:1.27',
      createdAt: '2026-01-02T01:04:05Z',
      startedAt: '2026-01-02T02:04:05Z',
      vcpus: 2,
      size: '1GB',
      overlaySize: '10GB',
      restarts: 0,
      nodeName: 'node-1',
      network: { name: 'default', ip: '10.100.0.2', mac: '02:00:0a:64:00:02', bandwidthDownload: '1Gbps' },
    });
  });

  test('is Ready, Running and UpToDate, and nothing else', () => {
    const conditions = told(runningWorld()).conditions.map(({ type, status }) => [type, status]);
    expect(conditions).toEqual([
      ['Ready', 'True'],
      ['Running', 'True'],
      ['UpToDate', 'True'],
    ]);
  });

  test('shows what it runs with while an edit waits, and lists every field of it', () => {
    const status = told(
      runningWorld({ desired: wanted({ vcpus: 4, memoryBytes: 2 ** 31 }, { generation: 2 }) }),
    );
    expect(status).toMatchObject({
      vcpus: 2,
      size: '1GB',
      observedGeneration: 2,
      appliedGeneration: 1,
      pendingFields: ['size', 'vcpus'],
    });
    expect(conditionOf(status, 'UpToDate')).toMatchObject({
      status: 'False',
      reason: 'RestartRequired',
      message: 'the next restart brings size, vcpus',
    });
    expect(conditionOf(status, 'Ready')?.status).toBe('True');
  });

  test('says that another image needs more than a restart', () => {
    const status = told(runningWorld({ desired: wanted({ image: 'other:2', vcpus: 4 }) }));
    expect(conditionOf(status, 'UpToDate')?.reason).toBe('RecreateRequired');
    expect(conditionOf(status, 'UpToDate')?.message).toContain('image, vcpus');
  });

  test('counts a live edit as applied', () => {
    expect(
      told(runningWorld({ desired: wanted({ tags: { a: 'b' } }, { generation: 7 }) })).appliedGeneration,
    ).toBe(7);
  });

  test('stays Ready on the last good text while the newest is refused', () => {
    const refused = { reason: 'Invalid', message: 'spec.vcpus must be a number' } as const;
    const status = told(runningWorld({ desired: wanted({}, { refused, generation: 2 }) }));
    expect(conditionOf(status, 'Ready')?.status).toBe('True');
    expect(conditionOf(status, 'Stalled')).toMatchObject({
      reason: 'Invalid',
      message: 'spec.vcpus must be a number',
    });
    expect(status.appliedGeneration).toBe(1);
  });

  test('stays Ready while a step around it fails, and says so', () => {
    const failure = failureOf(new HypemanError('transient', 'NftBusy', 'nft is busy'));
    const status = statusOf(runningWorld(), { is: 'failed', failure });
    expect(conditionOf(status, 'Ready')?.status).toBe('True');
    expect(conditionOf(status, 'Reconciling')).toMatchObject({ reason: 'NftBusy' });
  });
});

describe('an instance that does not run', () => {
  test.each<[string, World, Partial<InstanceStatus>, [string, string]]>([
    ['just declared', freshWorld(), { state: 'Created' }, ['False', 'Creating']],
    [
      'booting',
      runningWorld({ guest: { state: 'booting' }, record: aRecord({ image: pinned(), run: booting() }) }),
      { state: 'Initializing' },
      ['False', 'Booting'],
    ],
    [
      'unreachable',
      runningWorld({
        machine: { state: 'unknown', process: { pid: 1, startTime: 1, bootId: 'b' }, error: 'no answer' },
      }),
      { state: 'Unknown', stateError: 'no answer' },
      ['Unknown', 'Unreachable'],
    ],
    [
      'stopped as declared',
      runningWorld({
        desired: wanted({ state: 'Stopped' }),
        machine: { state: 'absent' },
        record: aRecord({ image: pinned(), run: aRun(), stoppedAt: NOW }),
      }),
      { state: 'Stopped' },
      ['True', 'Stopped'],
    ],
    [
      'ended',
      runningWorld({
        machine: { state: 'absent' },
        desired: wanted({ restartPolicy: 'Never' }),
        record: ended(3),
      }),
      { state: 'Stopped', exitCode: 3, exitMessage: 'exit code 3' },
      ['False', 'Exited'],
    ],
    [
      'done',
      runningWorld({ machine: { state: 'absent' }, record: ended(0) }),
      { state: 'Stopped', exitCode: 0 },
      ['False', 'Completed'],
    ],
  ])('%s', (_, world, expected, [status, reason]) => {
    const seen = told(world);
    expect(seen).toMatchObject(expected);
    expect(conditionOf(seen, 'Ready')).toMatchObject({ status, reason });
  });

  test('refused from its first text on is Stalled, and has no state', () => {
    const refused = { reason: 'Invalid', message: 'spec.image is missing' } as const;
    const status = told(freshWorld({ desired: { is: 'held', uid: 'u', generation: 3, refused } }));
    expect(status.state).toBeUndefined();
    expect(conditionOf(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Invalid' });
    expect(conditionOf(status, 'Stalled')).toMatchObject({ observedGeneration: 3 });
  });

  test.each<[HypemanError, [string, string], string]>([
    [new HypemanError('transient', 'DiskFull', 'the disk is full'), ['False', 'DiskFull'], 'Reconciling'],
    [new HypemanError('invalid', 'NoSuchDevice', 'no such device'), ['False', 'NoSuchDevice'], 'Stalled'],
    [new HypemanError('bug', 'Unreachable', 'oh'), ['Unknown', 'InternalError'], 'Stalled'],
  ])('because of %s', (error, [status, reason], progress) => {
    const seen = statusOf(freshWorld(), { is: 'failed', failure: failureOf(error) });
    expect(conditionOf(seen, 'Ready')).toMatchObject({ status, reason });
    expect(conditionOf(seen, progress)?.status).toBe('True');
  });

  test('when not even a look succeeds, what was last seen is kept and marked', () => {
    const last = told(runningWorld());
    const status = statusUnseen(last, failureOf(new Error('EIO')), NOW + 5_000);
    expect(status).toMatchObject({ id: last.id, state: 'Running' });
    expect(conditionOf(status, 'Ready')).toMatchObject({
      status: 'Unknown',
      message: 'EIO',
      lastTransitionTime: '2026-01-02T03:04:10Z',
    });
    expect(conditionOf(status, 'Running')).toEqual(conditionOf(last, 'Running'));
  });
});

test('a transition time moves when the status of its condition does, and not with its reason', () => {
  const first = told(freshWorld());
  const second = told(
    freshWorld({ now: NOW + 60_000, record: aRecord(), image: { state: 'pulling', progress: '1 of 2' } }),
    first,
  );
  expect(conditionOf(second, 'Ready')).toMatchObject({
    reason: 'ImagePull',
    lastTransitionTime: '2026-01-02T03:04:05Z',
  });
  const third = told({ ...runningWorld(), now: NOW + 90_000 }, second);
  expect(conditionOf(third, 'Ready')).toMatchObject({
    status: 'True',
    lastTransitionTime: '2026-01-02T03:05:35Z',
  });
});

describe('events', () => {
  test('tell the story of an instance, each thing once', () => {
    const story: string[] = [];
    let previous: InstanceStatus | undefined;
    let host: SimulatedHost = hostOf(freshWorld());
    const watch = (rounds: number): void => {
      for (let round = 0; round < rounds; round++) {
        const before = host.world;
        const after = pass(host);
        const status = statusOf(before, { is: 'planned', plan: after.plan }, previous);
        story.push(...eventsOf(previous, status, before.now).map(({ type, reason }) => `${type} ${reason}`));
        previous = status;
        host = elapse(after.host, after.plan.lookAgainMs ?? 1);
      }
    };
    watch(30);
    expect(story.splice(0)).toEqual([
      'Normal Created',
      'Normal ImagePull',
      'Normal ImagePinned',
      'Normal Started',
      'Normal ProgramStarted',
    ]);
    host = afterMove(host, { move: 'guest exits', code: 3 });
    watch(30);
    expect(story.splice(0)).toEqual([
      'Warning Exited',
      'Normal MachineEnded',
      'Normal Restarting',
      'Normal Restarted',
      'Normal ProgramStarted',
    ]);
    host = afterMove(host, { move: 'VMM crashes' });
    watch(30);
    expect(story.splice(0)).toEqual([
      'Warning Crashed',
      'Warning CrashLoop',
      'Normal Restarted',
      'Normal ProgramStarted',
    ]);
    host = afterMove(host, { move: 'edit', desired: wanted({ vcpus: 8 }) });
    watch(5);
    expect(story.splice(0)).toEqual(['Normal RestartRequired']);
    const refused = { reason: 'Invalid', message: 'no' } as const;
    host = afterMove(host, { move: 'edit', desired: wanted({}, { refused }) });
    watch(5);
    expect(story).toEqual(['Warning Invalid']);
  });
});

function booting(): ReturnType<typeof aRun> {
  const { startedAt, hypervisor, applied } = aRun({}, NOW - 1_000);
  return { startedAt, hypervisor, applied };
}

function ended(code: number): ReturnType<typeof aRecord> {
  const exit = { code, message: `exit code ${code}`, at: NOW };
  return aRecord({ image: pinned(), run: aRun(), exit, stoppedAt: NOW, failures: 1 });
}
