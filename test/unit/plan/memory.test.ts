import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../../src/api/instance.ts';
import type { InstanceStatus } from '../../../src/api/status.ts';
import { eventsOf } from '../../../src/plan/events.ts';
import { statusOf } from '../../../src/plan/status.ts';
import { plan } from '../../../src/plan/plan.ts';
import { foresee } from '../../../src/plan/foresee.ts';
import { changesAtRestart } from '../../../src/plan/wishes.ts';
import { isRecorded } from '../../../src/plan/known.ts';
import type { World } from '../../../src/plan/world.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import { keptMemoryOf, standbyWorld } from '../../support/standby-worlds.ts';
import { aRecord, aRun, HOST, pinned, PROCESS, runningWorld, wanted } from '../../support/worlds.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const ROOM = { memoryBytes: GIB, hotplugBytes: GIB } as const;
const HALF = { slot: 0, address: 4 * GIB, bytes: GIB / 2 };

/** Started with 1 GiB and room for another. */
function roomy(memoryBytes: number, changes: Partial<World> = {}): World {
  return runningWorld({
    desired: wanted({ ...ROOM, memoryBytes }),
    record: aRecord({ image: pinned(), run: aRun(ROOM) }),
    ...changes,
  });
}

function grown(memoryBytes: number, noted = GIB + HALF.bytes): World {
  const run = { ...aRun(ROOM), memoryBytes: noted };
  return roomy(memoryBytes, {
    record: aRecord({ image: pinned(), run }),
    machine: { state: 'running', process: PROCESS, dimms: [HALF] },
  });
}

function conditionOf(world: World, type: string): string | undefined {
  const { conditions } = statusOf(world, { is: 'planned', plan: plan(world) });
  const found = conditions.find((each) => each.type === type);
  return found && `${found.status} ${found.reason}: ${found.message}`;
}

describe('the memory of a guest that runs', () => {
  test('is raised at once within what there is room for, on record first', () => {
    const world = roomy(1.5 * GIB);
    const [note, grow] = plan(world).actions;
    expect(note).toMatchObject({ kind: 'write-record', record: { run: { memoryBytes: 1.5 * GIB } } });
    expect(grow).toMatchObject({ kind: 'grow-memory', bytes: 1.5 * GIB, machine: { memoryBytes: GIB } });
    expect(conditionOf(world, 'UpToDate')).toMatch(/^False Growing: size/);
    expect(conditionOf(world, 'Ready')).toMatch(/^True/);
  });

  test('is not noted twice when the controller died before it was plugged in', () => {
    const run = { ...aRun(ROOM), memoryBytes: 1.5 * GIB };
    expect(stepsOf(roomy(1.5 * GIB, { record: aRecord({ image: pinned(), run }) }))).toEqual(['grow-memory']);
  });

  test('that was asked for and never plugged in is struck off when nobody wants it any more', () => {
    const run = { ...aRun(ROOM), memoryBytes: 1.5 * GIB };
    const world = roomy(GIB, { record: aRecord({ image: pinned(), run }) });
    expect(plan(world).actions).toMatchObject([
      { kind: 'write-record', record: { run: { memoryBytes: GIB } } },
    ]);
  });

  test('is as declared once it is there, and the status says how much more there can be', () => {
    const world = grown(1.5 * GIB);
    expect(stepsOf(world)).toEqual([]);
    expect(statusOf(world, { is: 'planned', plan: plan(world) })).toMatchObject({
      ...{ size: '1536MB', hotplugSize: '512MB', appliedGeneration: 1 },
    });
    expect(conditionOf(world, 'UpToDate')).toMatch(/^True/);
  });

  test('grows from what is plugged in, and again when the guest gave some back', () => {
    expect(plan(grown(2 * GIB)).actions.at(-1)).toMatchObject({
      ...{ kind: 'grow-memory', bytes: 2 * GIB, machine: { hotplug: { bytes: GIB, dimms: [HALF] } } },
    });
    const ejected = { ...grown(1.5 * GIB), machine: { state: 'running', process: PROCESS } } as const;
    expect(stepsOf(ejected)).toEqual(['grow-memory']);
  });

  test.each([
    ['less than there is', GIB, /not taken from a guest that runs/],
    ['more than there is room for', 3 * GIB, /room up to 2GB/],
    ['by less than a section', 1.5 * GIB + 64 * MIB, /in steps of 128MB, from 1536MB on/],
  ])('waits for a restart when %s is asked for', (_, memoryBytes, why) => {
    const world = grown(memoryBytes);
    expect(stepsOf(world)).toEqual([]);
    expect(conditionOf(world, 'UpToDate')).toMatch(/^False RestartRequired/);
    expect(conditionOf(world, 'UpToDate')).toMatch(why);
  });

  test('is raised 32 times and no more', () => {
    const dimms = Array.from({ length: 32 }, (_, slot) => ({ slot, address: slot, bytes: 128 * MIB }));
    const room = { memoryBytes: GIB, hotplugBytes: 16 * GIB };
    const run = { ...aRun(room), memoryBytes: 5 * GIB };
    const world = runningWorld({
      desired: wanted({ ...room, memoryBytes: 6 * GIB }),
      record: aRecord({ image: pinned(), run }),
      machine: { state: 'running', process: PROCESS, dimms },
    });
    expect(stepsOf(world)).toEqual([]);
    expect(conditionOf(world, 'UpToDate')).toMatch(/raised 32 times/);
  });

  test('that is raised in standby comes when the guest goes on, and no restart is spoken of', () => {
    const run = aRun(ROOM);
    const standby = { ...run, standby: { is: 'suspended', at: 1 } } as const;
    const asleep = (spec: Partial<InstanceSpec>): World =>
      standbyWorld({
        desired: wanted({ ...ROOM, state: 'Standby', ...spec }),
        record: aRecord({ image: pinned(), run: standby }),
        standby: keptMemoryOf(run),
      });
    const raised = asleep({ memoryBytes: 1.5 * GIB });
    expect(conditionOf(raised, 'UpToDate')).toMatch(/^False Growing: size: .* goes on from its standby$/);
    expect(stepsOf(raised)).not.toContain('grow-memory');
    const both = conditionOf(asleep({ memoryBytes: 1.5 * GIB, vcpus: 4 }), 'UpToDate');
    expect(both).toMatch(/^False RestartRequired: the next restart brings vcpus; size: .* goes on/);
    expect(conditionOf(asleep({ memoryBytes: GIB / 2 }), 'UpToDate')).toMatch(
      /^False RestartRequired: .*size waits/,
    );
  });

  test('of a large guest grows in steps of 2 GB', () => {
    const room = { memoryBytes: 64 * GIB, hotplugBytes: 64 * GIB };
    const world = (memoryBytes: number): World =>
      runningWorld({
        desired: wanted({ ...room, memoryBytes }),
        record: aRecord({ image: pinned(), run: aRun(room) }),
      });
    expect(stepsOf(world(65 * GIB))).toEqual([]);
    expect(stepsOf(world(66 * GIB))).toEqual(['write-record', 'grow-memory']);
  });

  test('is no reason to restart, whatever the policy, when it can be had without', () => {
    const policy = { updatePolicy: 'Restart' } as const;
    const world = roomy(1.5 * GIB, { desired: wanted({ ...ROOM, ...policy, memoryBytes: 1.5 * GIB }) });
    expect(stepsOf(world)).toEqual(['write-record', 'grow-memory']);
    const beyond = roomy(3 * GIB, { desired: wanted({ ...ROOM, ...policy, memoryBytes: 3 * GIB }) });
    expect(stepsOf(beyond)).toEqual(['write-record', 'request-shutdown']);
  });

  test('that it had when it ended is no edit that would start it again', () => {
    const world = { ...grown(1.5 * GIB), machine: { state: 'absent' } } as const;
    expect(isRecorded(world) && changesAtRestart(world)).toEqual([]);
  });

  test('is suspended and restored with what was plugged in', () => {
    const run = { ...aRun(ROOM), memoryBytes: 1.5 * GIB };
    const hotplug = { bytes: GIB, dimms: [HALF] };
    const desired = wanted({ ...ROOM, memoryBytes: 1.5 * GIB, state: 'Standby' });
    expect(plan({ ...grown(1.5 * GIB), desired }).actions).toMatchObject([
      { kind: 'suspend-machine', machine: { memoryBytes: GIB, hotplug } },
    ]);
    const suspended = standbyWorld({
      desired: wanted({ ...ROOM, memoryBytes: 1.5 * GIB }),
      record: aRecord({ image: pinned(), run: { ...run, standby: { is: 'suspended', at: 0 } } }),
      standby: keptMemoryOf(run, { dimms: [HALF] }),
    });
    expect(plan(suspended).actions.at(-1)).toMatchObject({ kind: 'restore-machine', machine: { hotplug } });
    expect(statusOf(suspended, { is: 'planned', plan: plan(suspended) }).size).toBe('1536MB');
  });

  test('is foreseen to grow by `plan FILE`', () => {
    const rounds = foresee(roomy(1.5 * GIB));
    expect(rounds.map(({ actions }) => actions.map(({ kind }) => kind))).toEqual([
      ['write-record', 'grow-memory'],
      [],
    ]);
  });

  test('is told of once, when it is there', () => {
    const told = (world: World): InstanceStatus => statusOf(world, { is: 'planned', plan: plan(world) });
    const [before, asked, after] = [told(roomy(GIB)), told(roomy(1.5 * GIB)), told(grown(1.5 * GIB))];
    expect(eventsOf(before, asked, 0)).toEqual([]);
    expect(eventsOf(asked, after, 0)).toMatchObject([
      { reason: 'MemoryAdded', message: 'the guest has 1536MB of memory now, and runs on' },
    ]);
  });

  test('cannot be promised to grow on a hypervisor that is not able to', () => {
    const abilities = { standby: true, fork: true, diskThrottle: true, memoryHotplug: false };
    const host = { ...HOST, drivers: { qemu: { version: '7.2', accelerator: 'tcg' as const, abilities } } };
    const down = roomy(GIB, { host, machine: { state: 'absent' }, record: aRecord({ image: pinned() }) });
    expect(plan(down)).toMatchObject({ verdict: 'stuck', reason: 'HotplugUnavailable', actions: [] });
    expect(plan(down).message).toMatch(/remove spec.hotplugSize/);
  });
});

describe('memory that the guest does not use', () => {
  test('is said, with what can be done about it, and changes nothing else', () => {
    const world = { ...grown(1.5 * GIB), memoryNotTaken: 128 * MIB };
    expect(conditionOf(world, 'UpToDate')).toMatch(
      /^False MemoryNotTaken: size: the guest does not use 128MB .*online.*restart/,
    );
    expect(conditionOf(world, 'Ready')).toMatch(/^True/);
    expect(plan(world)).toEqual(plan(grown(1.5 * GIB)));
    const [before, after] = [grown(1.5 * GIB), world].map((each) =>
      statusOf(each, { is: 'planned', plan: plan(each) }),
    );
    if (after === undefined) throw new Error('there is no status');
    expect(eventsOf(before, after, 0)).toMatchObject([{ reason: 'MemoryNotTaken' }]);
    expect(after.pendingFields).toBeUndefined();
  });

  test('is said beside what waits for a restart', () => {
    const edited = wanted({ ...ROOM, memoryBytes: 1.5 * GIB, vcpus: 7 });
    const world = { ...grown(1.5 * GIB), desired: edited, memoryNotTaken: 128 * MIB };
    expect(conditionOf(world, 'UpToDate')).toMatch(/^False RestartRequired: .*vcpus.*does not use 128MB/);
  });
});
