import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRecorded } from '../../../src/plan/known.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { Plan } from '../../../src/plan/verdict.ts';
import { mountsApplied, volumeSeen } from '../../../src/plan/volumes.ts';
import { changesAtRestart } from '../../../src/plan/wishes.ts';
import type { World } from '../../../src/plan/world.ts';
import { anyHistory, anyTemper, goodTemper, live, ROUNDS } from '../../support/any-history.ts';
import { volumeReasons } from '../../support/any-volumes.ts';
import { anyWanted, anyWorld } from '../../support/any-world.ts';
import { elapse, hostOf, pass, settle } from '../../support/simulated-host.ts';
import type { Temper } from '../../support/simulated-host.ts';
import { forkable } from '../../support/fork-worlds.ts';
import { keptMemoryOf } from '../../support/standby-worlds.ts';
import { freshWorld, NOW, STARTED, wanted } from '../../support/worlds.ts';

/** What only somebody else can change keeps an instance waiting, and nothing of ours does. */
function isHeldUpFromOutside(world: World, { reason }: Plan): boolean {
  const { desired, machine, record, forking } = world;
  if (desired.is !== 'wanted') return false;
  const reasons = new Set<string>([...volumeReasons(world), ...hostReasons(world)]);
  if (machine.state === 'unknown') reasons.add('Unreachable');
  if (desired.environment.is === 'missing') reasons.add(desired.environment.reason).add('Paused');
  if (desired.credentials.is === 'missing') reasons.add(desired.credentials.reason);
  if (forking !== undefined) reasons.add('SourceNotReady');
  return record !== 'absent' && reasons.has(reason);
}

function hostReasons({ host }: World): readonly string[] {
  const isLacking = host.kernel.state === 'missing' || host.drivers.qemu?.problem !== undefined;
  return [
    ...(host.missingTools.length > 0 ? ['ToolMissing'] : []),
    ...(isLacking ? ['HostNotReady', 'Paused'] : []),
  ];
}

describe('rest', { timeout: 60_000 }, () => {
  test('every world comes to rest, or waits for what only somebody else can change', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, (world, temper) => {
        const { host, plan: last } = settle(hostOf(world, temper), ROUNDS);
        if (last.verdict !== 'rest' && last.verdict !== 'stuck')
          expect({ reason: last.reason, heldUp: isHeldUpFromOutside(host.world, last) }).toMatchObject({
            heldUp: true,
          });
      }),
      { numRuns: 1_000 },
    );
  });

  test('stopping after any part of the actions, whatever happens meanwhile, still leads to rest', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, anyHistory, (world, temper, history) => {
        const { host, plan: last } = settle(live(hostOf(world, temper), history), ROUNDS);
        if (last.verdict !== 'rest' && last.verdict !== 'stuck')
          expect({ reason: last.reason, heldUp: isHeldUpFromOutside(host.world, last) }).toMatchObject({
            heldUp: true,
          });
      }),
      { numRuns: 1_000 },
    );
  });

  test('at rest there are no actions, and the status says ready or says why not', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, (world, temper) => {
        const { host, plan: last } = settle(hostOf(world, temper), ROUNDS);
        if (last.verdict !== 'rest') return;
        expect(last.actions).toEqual([]);
        if (host.world.desired.is === 'gone') return;
        const ready = conditionOf(host.world, last, 'Ready');
        if (ready?.status !== 'True') expect(['Completed', 'Exited']).toContain(ready?.reason);
        expect(conditionOf(host.world, last, 'Reconciling')).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('a wanted instance in a host in order ends up running and ready', () => {
    fc.assert(
      fc.property(anyWorld, anyHistory, (world, history) => {
        const before = live(hostOf(world), history).world;
        const forking = before.forking && forkable();
        const desired = wanted({ restartPolicy: 'Always' });
        const { host, plan: last } = settle(
          hostOf({
            ...before,
            desired,
            host: freshWorld().host,
            image: { state: 'absent' },
            nextImage: { state: 'absent' },
            machine: answering(before),
            ...(forking === undefined ? {} : { forking }),
            ...(before.base === undefined || isWhole(before) ? {} : { base: 'absent' as const }),
            standby: fitting(before),
          }),
          ROUNDS,
        );
        expect(conditionOf(host.world, last, 'Ready')).toMatchObject({
          status: 'True',
          reason: 'ProgramRunning',
        });
        expect(host.world.machine.state).toBe('running');
      }),
      { numRuns: 500 },
    );
  });

  test('a restart for an edit is the last one: what it should bring is there', () => {
    fc.assert(
      fc.property(anyWorld, anyWanted, (world, edit) => {
        const spec = { ...edit.instance.spec, updatePolicy: 'Restart' as const, state: 'Running' as const };
        const desired = { ...edit, instance: { ...edit.instance, spec } };
        const { host, plan: last } = settle(hostOf({ ...world, desired }), ROUNDS);
        if (last.verdict !== 'rest' || !isRecorded(host.world) || host.world.machine.state === 'absent')
          return;
        expect(changesAtRestart(host.world)).toEqual([]);
      }),
    );
  });

  test('a program that ends at once, or a guest that never starts, is not started in a hot loop', () => {
    // A restore or a growth that fails is tried again by the queue, with a backoff of its own.
    const hopeless = anyTemper
      .filter(({ guest }) => guest !== 'serves')
      .map((temper): Temper => ({ ...temper, 'restore-machine': 'works', 'grow-memory': 'works' }));
    fc.assert(
      fc.property(anyWorld, hopeless, (world, temper) => {
        let host = hostOf({ ...world, desired: wanted({ restartPolicy: 'Always' }) }, temper);
        let starts = 0;
        for (let rounds = 0; host.world.now < NOW + 3_600_000 && rounds < 2_000; rounds++) {
          const after = pass(host);
          starts += after.plan.actions.filter(({ kind }) => kind === 'start-machine').length;
          if (after.plan.actions.length === 0 && after.plan.lookAgainMs === undefined) return;
          host = elapse(after.host, after.plan.lookAgainMs ?? 1);
        }
        expect(host.world.now).toBeGreaterThanOrEqual(NOW + 3_600_000);
        expect(starts).toBeLessThan(40);
      }),
      { numRuns: 200 },
    );
  });
});

/** What cannot go on from here, and is kept for the user to say, is no matter of the host's. */
function fitting(world: World): World['standby'] {
  const { standby, record, overlay } = world;
  const run = record === 'absent' ? undefined : record.run;
  if (standby.state !== 'ready' || run === undefined) return standby;
  return overlay.state === 'absent' || !isWhole(world) ? { state: 'absent' } : keptMemoryOf(run);
}

/** Every volume is there that its run mounts. */
function isWhole({ record, volumes = {} }: World): boolean {
  const fields = record === 'absent' ? undefined : record.run?.applied.fields;
  return mountsApplied(fields ?? {}).every(
    ({ volume }) => volumeSeen({ volumes }, volume)?.disk.state === 'ready',
  );
}

function answering({ machine }: World): World['machine'] {
  return machine.state === 'unknown' ? { state: 'running', process: machine.process } : machine;
}

function conditionOf(world: World, last: Plan, type: string): { status: string; reason: string } | undefined {
  return statusOf(world, { is: 'planned', plan: last }).conditions.find((each) => each.type === type);
}

test('the simulated guest that these properties rest on does start', () => {
  expect(settle(hostOf(freshWorld()), ROUNDS).host.world.guest).toMatchObject(STARTED);
});
