import { describe, expect, test } from 'vitest';
import { FORK_WITHIN_MS, READY_WITHIN_MS } from '../../../src/plan/patience.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import {
  aBase,
  asking,
  BASE_ID,
  forkable,
  forkWorld,
  SOURCE_ID,
  sourceWorld,
} from '../../support/fork-worlds.ts';
import { hostOf, pass, settle } from '../../support/simulated-host.ts';
import { PROCESS, STARTED } from '../../support/worlds.ts';

test('the disks are copied in the breath in which the base is taken, and not where there is something already', () => {
  const taking = forkWorld(forkable(sourceWorld(), [aBase()]), {}, asking());
  const kindsOf = (world: World): readonly string[] => plan(world).actions.map(({ kind }) => kind);
  expect(kindsOf(taking)).toEqual(['write-record', 'clone-disks']);
  const running = { ...taking, machine: { state: 'created', process: PROCESS } } as const;
  expect(kindsOf(running)).not.toContain('clone-disks');
  expect(kindsOf({ ...taking, overlay: { state: 'ready', bytes: 1 } })).not.toContain('clone-disks');
});

describe('a fork that goes on and is not itself yet', () => {
  function begun(changes: Partial<World>): World {
    let host = hostOf(forkWorld(forkable(sourceWorld(), [aBase()]), {}, asking()));
    for (let round = 0; host.world.machine.state !== 'running' && round < 10; round++) host = pass(host).host;
    expect(host.world.record).toMatchObject({ fork: { base: BASE_ID } });
    return { ...host.world, ...changes };
  }

  test('is let run where its restore was cut short at its end', () => {
    const paused = begun({ machine: { state: 'paused', process: PROCESS } });
    expect(plan(paused).actions).toMatchObject([{ kind: 'start-machine' }]);
  });

  test('is not begun once more when its program has ended meanwhile', () => {
    const guest = { state: 'exited', exit: { code: 0, message: 'exit code 0' } } as const;
    const ended = settle(hostOf(begun({ guest })), 40);
    expect(ended.host.world.machine).toMatchObject({ state: 'absent' });
    expect(ended.host.world.record).toMatchObject({ exit: { code: 0 }, fork: { source: SOURCE_ID } });
    expect(ended.plan).toMatchObject({ verdict: 'rest', actions: [] });
  });

  test('gets the disks of its base once more when it is begun once more: its memory knows nothing of what was written', () => {
    const gone = begun({ machine: { state: 'absent' }, guest: { state: 'silent' } });
    const base = aBase();
    const cut = {
      ...gone,
      base,
      standby: { state: 'ready', manifest: base.manifest, isSettled: true },
    } as const;
    expect(plan(cut).actions).toMatchObject([
      { kind: 'clone-disks', base: BASE_ID, disks: [{ serial: 'overlay' }] },
      { kind: 'restore-machine', base: BASE_ID },
    ]);
    const late = { ...cut, now: cut.now + FORK_WITHIN_MS };
    expect(plan(late).actions).toMatchObject([{ kind: 'write-record', record: { stoppedAt: late.now } }]);
  });

  test('is ended when it cannot become itself in five minutes, and boots from its disks', () => {
    const guest = {
      ...STARTED,
      identity: SOURCE_ID,
      identityProblem: 'its names cannot be written',
    } as const;
    const mute = begun({ guest });
    expect(plan(mute)).toMatchObject({ actions: [{ kind: 'identify-guest' }], lookAgainMs: 10_000 });
    const now = mute.now + READY_WITHIN_MS;
    for (const late of [
      { ...mute, now },
      { ...mute, now, guest: { state: 'silent' } as const },
    ]) {
      expect(plan(late).actions).toMatchObject([{ kind: 'write-record' }, { kind: 'kill-machine' }]);
      const { host } = settle(hostOf(late), 40);
      expect(host.world.record).toMatchObject({ fork: { source: SOURCE_ID } });
      expect(host.world.record).not.toHaveProperty('fork.base');
      expect(host.world).toMatchObject({ machine: { state: 'running' }, overlay: { state: 'ready' } });
    }
    const host = { ...mute.host, watchingSince: now };
    expect(plan({ ...mute, now, host }).actions).toMatchObject([{ kind: 'identify-guest' }]);
  });
});
