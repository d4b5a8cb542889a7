import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plan } from '../../../src/plan/plan.ts';
import { anyHistory, anyTemper, goodTemper, live, ROUNDS } from '../../support/any-history.ts';
import { anyWanted, anyWorld } from '../../support/any-world.ts';
import { afterMove } from '../../support/host-moves.ts';
import { hostOf, pass, settle } from '../../support/simulated-host.ts';
import { runningWorld, wanted } from '../../support/worlds.ts';

const LIVE = ['shape-tap', 'guard-tap', 'put-policy', 'trust-authority'];

describe('care', { timeout: 60_000 }, () => {
  // The simulated host throws when a law is broken: guard before vCPU, no disk changed under a machine, ...
  test('no law of the host is ever broken, whatever happens in whatever order', () => {
    fc.assert(
      fc.property(anyWorld, anyTemper, anyHistory, (world, temper, history) => {
        settle(live(hostOf(world, temper), history), ROUNDS);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a removed instance leaves nothing', () => {
    fc.assert(
      fc.property(anyWorld, anyTemper, anyHistory, (world, temper, history) => {
        // A proxy that is away for good holds up what only it can forget.
        const before = live(hostOf(world, { ...temper, proxy: 'comes back' }), history);
        const { host } = settle(afterMove(before, { move: 'edit', desired: { is: 'gone' } }), ROUNDS);
        const { record, overlay, network, boot, machine, egress, standby } = host.world;
        if (world.record === 'absent' && record === 'absent' && before.world.record === 'absent') return;
        expect([record, overlay.state, boot.state, machine.state]).toEqual([
          'absent',
          'absent',
          'absent',
          'absent',
        ]);
        expect([network.tap.state, network.guard.state, standby.state]).toEqual(['absent', 'open', 'absent']);
        expect([egress.policy.state, host.remembered]).toEqual(['absent', undefined]);
      }),
      { numRuns: 500 },
    );
  });

  test('what cannot be known is left as it is: a declaration that is held brings nothing but lost rules back', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, (world, temper) => {
        const refused = { reason: 'SourceLost', message: 'gone' } as const;
        const desired = { is: 'held', uid: 'uid-1', generation: 2, refused } as const;
        const first = pass(hostOf({ ...world, desired }, temper));
        const kinds = first.plan.actions.map(({ kind }) => kind);
        expect(kinds.filter((kind) => kind !== 'guard-tap')).toEqual([]);
        expect(pass(first.host).plan).toMatchObject({ actions: [], verdict: 'stuck', reason: 'SourceLost' });
      }),
    );
  });

  test('a program that runs is left alone under OnRestart, whatever is edited, missing or broken around it', () => {
    fc.assert(
      fc.property(anyWorld, anyWanted, (around, edit) => {
        const spec = { ...edit.instance.spec, state: 'Running' as const, updatePolicy: 'OnRestart' as const };
        const desired = { ...edit, uid: 'uid-1', instance: { ...edit.instance, annotations: {}, spec } };
        const world = runningWorld({ desired, host: around.host, image: around.image, boot: around.boot });
        const kinds = plan(world).actions.map(({ kind }) => kind);
        expect(kinds.filter((kind) => !LIVE.includes(kind))).toEqual([]);
      }),
    );
  });

  test('a guard that was lost under a running machine is back after one pass', () => {
    fc.assert(
      fc.property(anyWanted, (edit) => {
        const spec = { ...edit.instance.spec, state: 'Running' as const };
        const desired = { ...edit, uid: 'uid-1', instance: { ...edit.instance, spec } };
        const flushed = afterMove(hostOf(runningWorld({ desired })), { move: 'rules are flushed' });
        expect(pass(flushed).host.world.network.guard.state).toBe('guarded');
      }),
    );
  });

  test('a crash of the machine is healed under every policy, an exit only where the policy says so', () => {
    const policies = fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const);
    fc.assert(
      fc.property(policies, fc.constantFrom(0, 3), (restartPolicy, code) => {
        const running = hostOf(runningWorld({ desired: wanted({ restartPolicy }) }));
        const crashed = settle(afterMove(running, { move: 'VMM crashes' }), ROUNDS);
        expect([crashed.host.world.machine.state, crashed.starts]).toEqual(['running', 1]);
        const exited = settle(afterMove(running, { move: 'guest exits', code }), ROUNDS);
        const isAgain = restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && code !== 0);
        expect(exited.host.world.machine.state).toBe(isAgain ? 'running' : 'absent');
      }),
    );
  });
});
