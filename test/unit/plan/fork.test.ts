import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../../src/api/instance.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import {
  aBase,
  aDisksBase,
  asking,
  BASE_ID,
  forkable,
  forkWorld,
  SOURCE_ID,
  SOURCE_KEY,
  sourceWorld,
} from '../../support/fork-worlds.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import { afterAction, BENIGN, elapse, hostOf, settle } from '../../support/simulated-host.ts';
import { standbyWorld } from '../../support/standby-worlds.ts';
import {
  aRecord,
  aRun,
  freshWorld,
  IDENTITY,
  MEDIATED,
  mediated,
  MISSING_VALUE,
  NOW,
  pinned,
  STARTED,
  wanted,
} from '../../support/worlds.ts';

const MOUNT = { volume: 'data', mountPath: '/data', readonly: false, overlay: false };

/** Every action until rest, in order. */
function wayOf(world: World): readonly string[] {
  const steps: string[] = [];
  let host = hostOf(world);
  for (let round = 0; round < 40; round++) {
    const next = plan(host.world);
    if (next.actions.length === 0 && next.lookAgainMs === undefined) return steps;
    steps.push(...next.actions.map(({ kind }) => kind));
    host = elapse(next.actions.reduce(afterAction, host), next.lookAgainMs ?? 1);
  }
  throw new Error(`no rest: ${steps.join(' ')}`);
}

describe('before a source is disturbed', () => {
  const stopped = { state: 'Stopped' } as const;
  const sourceOf = (world: Partial<World>): World => ({ ...standbyWorld(), key: SOURCE_KEY, ...world });
  const restingStopped = sourceOf({
    desired: wanted(stopped),
    record: aRecord({ image: pinned(), run: aRun(), stoppedAt: NOW - 1_000 }),
    standby: { state: 'absent' },
  });

  test.each<[string, World, Partial<InstanceSpec>, string]>([
    ['is not there', freshWorld({ desired: { is: 'gone' } }), {}, 'there is no Instance'],
    [
      'runs, without leave',
      sourceWorld(),
      { forkFrom: { instance: 'base', fromRunning: false, credentials: 'Inherit' } },
      'fromRunning: true',
    ],
    [
      'boots',
      sourceWorld({ record: aRecord({ image: pinned(), run: { ...aRun(), readyAt: undefined as never } }) }),
      {},
      'Initializing',
    ],
    ['has an old init', sourceWorld({ guest: STARTED }), {}, 'restart it once'],
    ['was never started', sourceWorld({ record: aRecord() }), {}, 'never started'],
    [
      'writes to a volume',
      sourceWorld({ record: aRecord({ image: pinned(), run: aRun({ volumes: [MOUNT] }) }) }),
      {},
      'readonly and overlay',
    ],
    ['is about to start', sourceOf({ ...restingStopped, desired: wanted() }), {}, 'about to be started'],
  ])('one that %s is not asked', (_, source, spec, words) => {
    const seen = plan(forkWorld(forkable(source), spec));
    expect(seen).toMatchObject({ actions: [], reason: 'SourceNotReady' });
    expect(seen.message).toContain(words);
  });

  test.each([
    ['Running', sourceWorld(), 'Running'],
    ['in standby', sourceOf({ desired: wanted({ state: 'Standby' }) }), 'Standby'],
    ['Stopped', restingStopped, 'Stopped'],
  ])('one that is %s is asked, and what it declares is kept first', (_, source, state) => {
    expect(plan(forkWorld(forkable(source))).actions).toMatchObject([
      { kind: 'keep-inheritance', source: source.key, state },
      {
        kind: 'write-record',
        record: {
          fork: { askedAt: NOW, askedOf: source.record === 'absent' ? '' : source.record.identity.id },
        },
      },
    ]);
  });

  test('the fork has all that it needs itself', () => {
    const lacking = mediated(
      { forkFrom: { instance: 'base', fromRunning: true, credentials: 'Inherit' } },
      { credentials: { ...MISSING_VALUE, reason: 'KeyMissing' } },
    );
    expect(plan({ ...forkWorld(), desired: lacking }).reason).toBe('KeyMissing');
    const host = { ...forkWorld().host, missingTools: [{ tool: 'nft', fix: 'apt-get install nftables' }] };
    expect(plan({ ...forkWorld(), host }).reason).toBe('ToolMissing');
  });

  test('one that does not answer is left alone for a minute, and the fork says why', () => {
    const waiting = forkWorld(forkable(), {}, asking(NOW - 5_000));
    expect(plan(waiting)).toMatchObject({ actions: [], reason: 'Forking' });
    const trouble = { ...forkable(), trouble: 'the disk is full' };
    const late = plan(forkWorld(trouble, {}, asking(NOW - 30_000)));
    expect(late).toMatchObject({ actions: [], reason: 'SourceNotReady', lookAgainMs: 30_000 });
    expect(late.message).toContain('the disk is full');
    expect(stepsOf(forkWorld(forkable(), {}, asking(NOW - 61_000)))).toEqual([
      'keep-inheritance',
      'write-record',
    ]);
  });
});

describe('a fork with a base', () => {
  const taking = (spec: Partial<InstanceSpec> = {}, base = aBase()): World =>
    forkWorld(forkable(sourceWorld(), [base]), spec, asking());

  test('goes on as its source was: with its image, its salt, and what its guest was started with', () => {
    const [action] = plan(taking()).actions;
    expect(action).toMatchObject({
      kind: 'write-record',
      record: {
        identity: { ip: IDENTITY.ip, salt: '11'.repeat(32) },
        image: pinned(),
        fork: { source: SOURCE_ID, base: BASE_ID, sourcePauseMs: 120 },
        run: {
          applied: { fields: { vcpus: '2', 'forkFrom.instance': 'base' } },
          standby: { is: 'suspended' },
        },
      },
    });
  });

  test('has disks of its own and is guarded before it runs, and is itself before it is done', () => {
    const steps = wayOf(taking());
    expect(steps).toEqual([
      ...['write-record', 'clone-disks', 'create-tap', 'guard-tap', 'write-record', 'restore-machine'],
      ...['identify-guest', 'write-record'],
    ]);
    const { host } = settle(hostOf(taking()), 40);
    expect(host.world.record).toMatchObject({
      fork: { source: SOURCE_ID, completedAt: expect.any(Number) as number },
    });
    expect(host.world.record).not.toHaveProperty('fork.base');
    expect(host.world.record).not.toHaveProperty('run.standby');
    const status = statusOf(host.world, { is: 'planned', plan: plan(host.world) });
    expect(status).toMatchObject({ state: 'Running', fork: { source: 'base', sourcePauseMs: 120 } });
    expect(status.pendingFields).toBeUndefined();
  });

  test('that is mediated has its own policy in force before it runs, and its own CA with its identity', () => {
    const origin = { run: { hypervisor: 'qemu', applied: aRun(MEDIATED).applied } } as const;
    const forkFrom = { instance: 'base', fromRunning: true, credentials: 'Inherit' } as const;
    const world = { ...taking({}, aBase(origin)), desired: mediated({ forkFrom }) };
    const steps = wayOf(world);
    expect(steps.indexOf('put-policy')).toBeGreaterThan(steps.indexOf('clone-disks'));
    expect(steps.indexOf('restore-machine')).toBeGreaterThan(steps.lastIndexOf('guard-tap'));
    expect(steps.indexOf('identify-guest')).toBeGreaterThan(steps.indexOf('restore-machine'));
  });

  test('differs where it says so, and that waits for a restart', () => {
    const { host } = settle(hostOf(taking({ vcpus: 4 })), 40);
    const status = statusOf(host.world, { is: 'planned', plan: plan(host.world) });
    expect(status).toMatchObject({ state: 'Running', vcpus: 2, pendingFields: ['vcpus'] });
  });

  test('rests in standby when that is asked for, on a base that outlives a power cut', () => {
    const { host, plan: last } = settle(hostOf(taking({ state: 'Standby' })), 40);
    expect(last).toMatchObject({ verdict: 'rest', reason: 'Standby' });
    expect(host.world).toMatchObject({ standby: { isSettled: true }, record: { fork: { base: BASE_ID } } });
    expect(wayOf(taking({ state: 'Standby' }))).toContain('settle-standby');
    const woken = { ...host.world, desired: taking().desired };
    expect(wayOf(woken)).toContain('restore-machine');
  });

  test('that is to be Stopped keeps the disks and gives up the memory, which others may still need', () => {
    const steps = wayOf(taking({ state: 'Stopped' }));
    expect(steps).toContain('clone-disks');
    expect(steps).not.toContain('restore-machine');
    expect(steps).not.toContain('discard-standby');
    const { host, plan: last } = settle(hostOf(taking({ state: 'Stopped' })), 40);
    expect(last.reason).toBe('Stopped');
    expect(host.world.record).not.toHaveProperty('fork.base');
    expect(host.world.overlay.state).toBe('ready');
  });

  test('of a stopped source boots from its own copy of the disks', () => {
    const steps = wayOf(taking({}, aDisksBase()));
    expect(steps.indexOf('clone-disks')).toBeGreaterThanOrEqual(0);
    expect(steps).toContain('start-machine');
    expect(steps).not.toContain('create-overlay');
    expect(steps).not.toContain('restore-machine');
  });

  test('whose base is lost before its disks are there asks for another; after that it boots from them', () => {
    const taken = settle(hostOf(taking({ state: 'Standby' })), 40).host.world;
    const lost = { ...taken, base: 'absent', standby: { state: 'absent' }, forking: forkable() } as const;
    const bare = plan({ ...lost, overlay: { state: 'absent' } });
    expect(bare.actions).toMatchObject([
      { kind: 'write-record', record: { fork: { instance: SOURCE_KEY } } },
    ]);
    expect(bare.actions[0]).not.toHaveProperty('record.run');
    expect(plan(lost)).toMatchObject({ reason: 'MemoryLost' });
    expect(wayOf({ ...lost, desired: wanted() })).toContain('start-machine');
  });

  test('that cannot go on is not tried for ever: it boots from its disks then', () => {
    const host = hostOf(taking(), { ...BENIGN, 'restore-machine': 'fails' });
    const steps: string[] = [];
    let current = host;
    for (let round = 0; round < 120 && !steps.includes('start-machine'); round++) {
      const next = plan(current.world);
      steps.push(...next.actions.map(({ kind }) => kind));
      current = elapse(next.actions.reduce(afterAction, current), next.lookAgainMs ?? 1);
    }
    expect(steps.filter((kind) => kind === 'restore-machine').length).toBeGreaterThan(10);
    expect(steps.at(-1)).toBe('start-machine');
  });
});

describe('whom an instance is a fork of', () => {
  const ofAnother = { instance: 'other', fromRunning: true, credentials: 'Inherit' } as const;
  const image = 'docker.io/library/nginx:1.27';

  test('is as declared until something is taken of it', () => {
    const mistaken = forkWorld(forkable(freshWorld({ desired: { is: 'gone' } })), {}, asking());
    const corrected = { ...mistaken, desired: wanted({ forkFrom: ofAnother }) };
    expect(plan(corrected).actions).toMatchObject([
      { kind: 'write-record', record: { fork: { instance: 'default/other' } } },
    ]);
    expect(plan(corrected).actions).not.toHaveProperty('0.record.fork.askedAt');
    const none = plan({ ...mistaken, desired: wanted({ image }) });
    expect(none.actions).toMatchObject([{ kind: 'write-record' }]);
    expect(none.actions).not.toHaveProperty('0.record.fork');
    const late = freshWorld({
      desired: wanted({ forkFrom: ofAnother }),
      record: aRecord({ image: pinned() }),
      overlay: { state: 'ready', bytes: 1 },
    });
    expect(stepsOf(late)).toEqual(['remove-overlay', 'write-record']);
  });

  test('does not change with an edit after that, which no restart brings', () => {
    const { host } = settle(hostOf(forkWorld(forkable(sourceWorld(), [aBase()]), {}, asking())), 40);
    const edited = { ...host.world, desired: wanted({ forkFrom: ofAnother, updatePolicy: 'Restart' }) };
    expect(plan(edited)).toMatchObject({ verdict: 'rest', actions: [] });
    const { pendingFields, conditions } = statusOf(edited, { is: 'planned', plan: plan(edited) });
    expect(pendingFields).toEqual(['forkFrom.instance']);
    expect(conditions.find(({ type }) => type === 'UpToDate')).toMatchObject({
      status: 'False',
      message: expect.stringContaining('delete it, and declare it anew') as string,
    });
  });
});
