import { describe, expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import { ASKERS, SOURCE_ID, SOURCE_KEY, sourceWorld } from '../../support/fork-worlds.ts';
import { stepsOf } from '../../support/plan-steps.ts';
import { keptMemoryOf, standbyWorld } from '../../support/standby-worlds.ts';
import {
  aRecord,
  aRun,
  mediated,
  MISSING_VALUE,
  NOW,
  pinned,
  PROCESS,
  STARTED,
  wanted,
} from '../../support/worlds.ts';

describe('a source', () => {
  test('that runs stands still first, is frozen as it was started, and is not touched for nobody', () => {
    expect(stepsOf(sourceWorld())).toEqual([]);
    expect(stepsOf(sourceWorld({ askers: ASKERS }))).toEqual(['hold-guest']);
    const held = { ...STARTED, identity: SOURCE_ID, held: true } as const;
    expect(plan(sourceWorld({ askers: ASKERS, guest: held })).actions).toMatchObject([
      {
        kind: 'freeze-machine',
        base: ASKERS.nextBase,
        machine: { vcpus: 2 },
        origin: { instance: SOURCE_KEY, disks: [{ serial: 'overlay' }], run: { hypervisor: 'qemu' } },
      },
    ]);
  });

  test('whose programs still stand still when nobody asks any more is let go', () => {
    const held = { ...STARTED, identity: SOURCE_ID, held: true } as const;
    expect(stepsOf(sourceWorld({ guest: held }))).toEqual(['release-guest']);
  });

  test('that says for ever that its programs stand still holds nothing else up by that', () => {
    const guest = { ...STARTED, identity: SOURCE_ID, held: true } as const;
    const put = sourceWorld({ guest, desired: wanted({ state: 'Standby' }) });
    expect(stepsOf(put)).toEqual(['release-guest', 'suspend-machine']);
    const paused = sourceWorld({ guest, machine: { state: 'paused', process: PROCESS } });
    expect(stepsOf(paused)).toEqual(['start-machine']);
    const desired = mediated({}, { credentials: MISSING_VALUE });
    expect(plan(sourceWorld({ guest, desired })).actions).toContainEqual({
      kind: 'release-guest',
      id: SOURCE_ID,
    });
  });

  test('in standby stays there', () => {
    const desired = wanted({ state: 'Standby' });
    const world = { ...standbyWorld({ desired, askers: ASKERS }), key: SOURCE_KEY };
    expect(stepsOf(world)).toEqual(['freeze-machine']);
    expect(stepsOf({ ...world, standby: keptMemoryOf(aRun(), { isSettled: false }) })).toEqual([
      'settle-standby',
    ]);
  });

  test('that is stopped gives its disks', () => {
    const world = sourceWorld({
      askers: ASKERS,
      desired: wanted({ state: 'Stopped' }),
      record: aRecord({ image: pinned(), run: aRun(), stoppedAt: NOW }),
      machine: { state: 'absent' },
      guest: { state: 'silent' },
    });
    expect(plan(world).actions).toMatchObject([
      { kind: 'freeze-disks', base: ASKERS.nextBase, disks: [{ serial: 'overlay' }] },
    ]);
    const bare = plan({ ...world, overlay: { state: 'absent' } });
    expect(bare.actions).toMatchObject([{ kind: 'freeze-disks', disks: [], origin: { disks: [] } }]);
  });
});
