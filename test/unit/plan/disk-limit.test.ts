import { describe, expect, test } from 'vitest';
import { foresee } from '../../../src/plan/foresee.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import { standbyWorld } from '../../support/standby-worlds.ts';
import { aRecord, aRun, pinned, PROCESS, runningWorld, wanted } from '../../support/worlds.ts';

const MIB = 1024 ** 2;

/** Started with one limit; another is declared now. */
function edited(atStart: number | undefined, declared: number | undefined, seen?: number): World {
  const run = aRun(atStart === undefined ? {} : { diskBps: atStart });
  const limit = seen === undefined ? {} : { diskBytesPerSecond: seen };
  return runningWorld({
    desired: wanted({ updatePolicy: 'Restart', ...(declared === undefined ? {} : { diskBps: declared }) }),
    record: aRecord({ image: pinned(), run }),
    machine: { state: 'running', process: PROCESS, ...limit },
  });
}

/** The limit of the status, and whether the edit is said to wait. */
function toldOf(world: World): { readonly limit: string | undefined; readonly waits: boolean } {
  const { diskIoBps, conditions } = statusOf(world, { is: 'planned', plan: plan(world) });
  return { limit: diskIoBps, waits: conditions.some(({ message }) => message.includes('diskIoBps')) };
}

describe('an edit of diskIoBps under a machine that runs', () => {
  test.each([
    ['the first limit', edited(undefined, MIB, 0), MIB],
    ['another limit', edited(MIB, 2 * MIB, MIB), 2 * MIB],
    ['no limit any more', edited(MIB, undefined, MIB), 0],
    ['a limit that was changed before', edited(MIB, MIB, 2 * MIB), MIB],
  ])('%s is set at once, and nothing else is done', (_, world, bytesPerSecond) => {
    const actions = foresee(world).flatMap((round) => round.actions);
    expect(actions).toMatchObject([{ kind: 'throttle-disks', hypervisor: 'qemu', bytesPerSecond }]);
  });

  test('is in the status once it is in force, and no restart is asked for', () => {
    expect(toldOf(edited(MIB, 2 * MIB, MIB))).toMatchObject({ limit: '1MB/s' });
    const after = edited(MIB, 2 * MIB, 2 * MIB);
    expect(plan(after).actions).toEqual([]);
    expect(toldOf(after)).toMatchObject({
      limit: '2MB/s',
      waits: false,
    });
  });

  test('waits for a restart where the machine does not tell its limit, or the hypervisor cannot change it', () => {
    const untold = edited(MIB, 2 * MIB);
    const unable = edited(MIB, 2 * MIB, MIB);
    const { version = '', accelerator = 'tcg' } = unable.host.drivers.qemu ?? {};
    const drivers = { qemu: { version, accelerator } };
    for (const world of [untold, { ...unable, host: { ...unable.host, drivers } }]) {
      expect(stepsOf(world)).not.toContain('throttle-disks');
      expect(toldOf(world)).toMatchObject({ limit: '1MB/s', waits: true });
    }
  });
});

test('a machine that goes on from standby has the limit that is declared now, and waits for no restart', () => {
  const world = standbyWorld({ desired: wanted({ state: 'Running', diskBps: 2 * MIB }) });
  expect(toldOf(world)).toMatchObject({ limit: '2MB/s', waits: false });
  const restores = foresee(world)
    .flatMap((round) => round.actions)
    .filter(({ kind }) => kind === 'restore-machine' || kind === 'throttle-disks');
  expect(restores).toMatchObject([{ kind: 'restore-machine', machine: { diskBytesPerSecond: 2 * MIB } }]);
});
