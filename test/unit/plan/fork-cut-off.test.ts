import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../../src/api/instance.ts';
import { machineApplied, hasRun } from '../../../src/plan/machine-for.ts';
import { isRecorded } from '../../../src/plan/known.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { aBase, asking, forkable, forkWorld, ORIGIN, sourceWorld } from '../../support/fork-worlds.ts';
import { hostOf, settle } from '../../support/simulated-host.ts';
import { MEDIATED, mediated } from '../../support/worlds.ts';

const NO_NETWORK = { network: { enabled: false, egress: { enabled: false, mode: 'all' } } } as const;

function taking(spec: Partial<InstanceSpec> = NO_NETWORK, base = aBase()): World {
  return forkWorld(forkable(sourceWorld(), [base]), spec, asking());
}

function settled(world: World): World {
  return settle(hostOf(world), 40).host.world;
}

function machineOf(world: World): ReturnType<typeof machineApplied> {
  if (!isRecorded(world) || !hasRun(world)) throw new Error('it has no run');
  return machineApplied(world);
}

describe('a fork that is to have no network, of a source that has one', () => {
  test('goes on with the device that its memory knows, whose link is down, behind a guard that lets nothing out', () => {
    let restored: unknown;
    let world = hostOf(taking());
    for (let round = 0; round < 20 && restored === undefined; round++) {
      const { actions } = plan(world.world);
      const restore = actions.find(({ kind }) => kind === 'restore-machine');
      if (restore !== undefined) {
        restored = restore;
        expect(world.world.network.guard).toEqual({ state: 'guarded', mediation: { mode: 'all' } });
      }
      world = settle(world, 1).host;
    }
    expect(restored).toMatchObject({ machine: { nic: { link: 'down' } } });
  });

  test('becomes itself without an address, and is what its document says', () => {
    const world = settled(taking());
    expect(world.machine.state).toBe('running');
    const status = statusOf(world, { is: 'planned', plan: plan(world) });
    expect(status.pendingFields).toBeUndefined();
    expect(status.network).toBeUndefined();
  });

  test('stays so when a network is declared again, until it boots', () => {
    const edited = { ...settled(taking()), desired: taking({}).desired };
    expect(machineOf(settled(edited)).nic).toMatchObject({ link: 'down' });
    expect(statusOf(edited, { is: 'planned', plan: plan(edited) }).pendingFields).toEqual([
      'network.enabled',
    ]);
    const restarted = settled({ ...edited, desired: taking({ updatePolicy: 'Restart' }).desired });
    expect(machineOf(restarted).nic).not.toHaveProperty('link');
    expect(restarted.network.guard).toEqual({ state: 'guarded' });
  });

  test('keeps neither device nor rules once it boots without', () => {
    const { desired } = taking({ ...NO_NETWORK, vcpus: 4, updatePolicy: 'Restart' });
    const restarted = settled({ ...settled(taking()), desired });
    expect(machineOf(restarted).nic).toBeUndefined();
    expect(restarted.network).toMatchObject({ tap: { state: 'absent' }, guard: { state: 'open' } });
  });

  test('is guarded so again when its rules are lost, though nobody knows what is declared', () => {
    const world = settled(taking());
    const refused = { reason: 'SourceLost', message: 'the directory is gone' } as const;
    const desired = { is: 'held', uid: 'uid-1', generation: 2, refused } as const;
    const open = { ...world, desired, network: { ...world.network, guard: { state: 'open' } } } as const;
    expect(plan(open).actions).toMatchObject([{ kind: 'guard-tap', mediation: { mode: 'all' } }]);
  });

  test('leaves that to its own forks, whatever they declare', () => {
    const applied = { ...ORIGIN.run?.applied, fields: { 'network.enabled': 'false' } };
    const run = { hypervisor: 'qemu', applied: { generation: 1, ...applied }, link: 'down' } as const;
    expect(plan(taking({}, aBase({ run }))).actions[0]).toMatchObject({
      ...{ kind: 'write-record', record: { run: { link: 'down' } } },
    });
  });

  test('of a mediated one has no policy either', () => {
    const network = { enabled: false, egress: { enabled: false, mode: 'all' } } as const;
    const fields = { ...ORIGIN.run?.applied.fields, 'network.egress.enabled': 'true' };
    const run = { hypervisor: 'qemu', applied: { generation: 1, fields } } as const;
    const world = settled({
      ...taking(NO_NETWORK, aBase({ run })),
      desired: mediated({
        ...MEDIATED,
        network,
        credentials: {},
        forkFrom: { instance: 'base', fromRunning: true, credentials: 'Inherit' },
      }),
    });
    expect(world.egress.policy.state).toBe('absent');
    expect(world.network.guard).toEqual({ state: 'guarded', mediation: { mode: 'all' } });
  });
});
