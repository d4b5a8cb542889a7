import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { goodTemper, ROUNDS } from '../../support/any-history.ts';
import { anyWanted } from '../../support/any-world.ts';
import { afterMove } from '../../support/host-moves.ts';
import type { Move } from '../../support/host-moves.ts';
import { elapse, hostOf, pass, settle } from '../../support/simulated-host.ts';
import type { SimulatedHost } from '../../support/simulated-host.ts';
import { standbyWorld } from '../../support/standby-worlds.ts';
import { heldPolicy, mediated, mediatedWorld, NOW, wanted } from '../../support/worlds.ts';

const state = fc.constantFrom('Running' as const, 'Standby' as const);

/** Whatever is edited, but for a wish to stop it or to have another one. */
const anyEdit = fc.record({ edit: anyWanted, state }).map(({ edit, state: wished }): Move => {
  const spec = { ...edit.instance.spec, state: wished };
  return { move: 'edit', desired: { ...edit, uid: 'uid-1', instance: { ...edit.instance, spec } } };
});

const anyTrouble: fc.Arbitrary<Move> = fc.oneof(
  fc
    .constantFrom(
      ...([
        'suspend is cut short',
        'restore is cut short',
        'controller restarts',
        'hypervisor is upgraded',
      ] as const),
      ...(['tap is deleted', 'rules are flushed', 'proxy is replaced', 'proxy dies'] as const),
    )
    .map((move) => ({ move })),
  fc.constantFrom(1, 1_000, 400_000).map((ms) => ({ move: 'time passes' as const, ms })),
);

const steps = <T>(move: fc.Arbitrary<T>): fc.Arbitrary<{ cut: number | undefined; move: T }[]> =>
  fc.array(fc.record({ cut: fc.option(fc.nat(2), { nil: undefined }), move }), { maxLength: 20 });

function runOf({ record }: World): { readonly startedAt: number } | undefined {
  return record === 'absent' ? undefined : record.run;
}

describe('a memory that is kept', { timeout: 60_000 }, () => {
  test('is never given up but by the wish, whatever is edited, cut short or broken around it', () => {
    fc.assert(
      fc.property(steps(fc.oneof(anyEdit, anyTrouble)), goodTemper, (history, temper) => {
        let host: SimulatedHost = hostOf(standbyWorld(), { ...temper, 'restore-machine': 'fails' });
        for (const { cut, move } of history) {
          host = afterMove(pass(host, cut).host, move);
          const { standby, machine } = host.world;
          expect([standby.state, machine.state === 'running']).toEqual(['ready', false]);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is gone on from in the end, once, and it is the same run', () => {
    fc.assert(
      fc.property(steps(anyTrouble), (history) => {
        const before = standbyWorld({ desired: wanted({ state: 'Standby' }) });
        const troubled = history
          .filter(({ move }) => move.move !== 'hypervisor is upgraded')
          .reduce(({ host }, { cut, move }) => ({ host: afterMove(pass(host, cut).host, move) }), {
            host: hostOf(before),
          });
        const { host, starts } = settle(
          afterMove(troubled.host, { move: 'edit', desired: wanted() }),
          ROUNDS,
        );
        expect([host.world.machine.state, host.world.standby.state, starts]).toEqual([
          'running',
          'absent',
          0,
        ]);
        expect(runOf(host.world)).toEqual(withoutStandby(before));
        expect(host.world.record).toMatchObject({ restarts: 0, failures: 0 });
      }),
      { numRuns: 300 },
    );
  });

  test('is kept by a standby that is asked for, whichever action is the last before a crash', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 12 }), (cuts) => {
        const begun = hostOf(mediatedWorld({ desired: mediated({ state: 'Standby' }) }));
        const cutShort = cuts.reduce((host, cut) => elapse(pass(host, cut).host, 1), begun);
        const { host, plan: last } = settle(cutShort, ROUNDS);
        expect(last).toMatchObject({ verdict: 'rest', reason: 'Standby', actions: [] });
        expect(host.world).toMatchObject({ machine: { state: 'absent' }, standby: { isSettled: true } });
        expect(host.world.egress.policy.state).toBe('absent');
        const status = statusOf(host.world, { is: 'planned', plan: last });
        expect(status).toMatchObject({ state: 'Standby', hasSnapshot: true });
      }),
    );
  });
});

test('a guest goes on behind the policy of now, never behind that of the time when it was suspended', () => {
  const before = mediatedWorld({ desired: mediated({ state: 'Standby' }) });
  const inStandby = settle(hostOf(before), ROUNDS).host;
  const rotated = afterMove(inStandby, { move: 'value is set', name: 'REAL_KEY', value: 'v2' });
  const { host, plan: last } = settle(afterMove(rotated, { move: 'edit', desired: mediated() }), ROUNDS);
  expect(last.verdict).toBe('rest');
  expect(host.world.egress.policy).not.toMatchObject(heldPolicy().policy);
  expect(host.world.record).toMatchObject({ credentials: { API_KEY: { digest: 'digest of v2' } } });
});

test('a memory that the host lost is told of, and the program is started anew from its disks', () => {
  const suspended = hostOf(standbyWorld({ desired: wanted({ state: 'Standby' }) }));
  const damaged = afterMove(suspended, { move: 'memory is damaged' });
  const first = pass(damaged);
  expect(first.plan).toMatchObject({ reason: 'MemoryLost' });
  const { host, plan: last, starts } = settle(first.host, ROUNDS);
  expect([last.reason, starts, host.world.standby.state]).toEqual(['Standby', 1, 'ready']);
  expect(runOf(host.world)?.startedAt).toBeGreaterThanOrEqual(NOW);
});

function withoutStandby(world: World): object {
  const { standby, ...run } = { standby: undefined, ...runOf(world) };
  expect(standby).toBeDefined();
  return run;
}
