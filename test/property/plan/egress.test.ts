import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { statusOf } from '../../../src/plan/status.ts';
import type { Condition } from '../../../src/api/status.ts';
import type { Plan } from '../../../src/plan/verdict.ts';
import type { World } from '../../../src/plan/world.ts';
import { anyHistory, anyTemper, goodTemper, live, ROUNDS } from '../../support/any-history.ts';
import { anyWanted, anyWorld } from '../../support/any-world.ts';
import { afterMove } from '../../support/host-moves.ts';
import type { Move } from '../../support/host-moves.ts';
import { VALUES } from '../../support/simulated-egress.ts';
import { elapse, hostOf, pass, settle } from '../../support/simulated-host.ts';
import type { SimulatedHost } from '../../support/simulated-host.ts';
import { HOST, mediated, mediatedWorld } from '../../support/worlds.ts';

/** A host with a mediated guest, as far as it gets by itself. */
function mediatedHost(): SimulatedHost {
  return settle(hostOf(mediatedWorld()), ROUNDS).host;
}

/** Everything that only somebody else can mend is mended. */
function mended(host: SimulatedHost): SimulatedHost {
  const values = Object.entries(VALUES).map(([name, value]): Move => ({ move: 'value is set', name, value }));
  const moves: Move[] = [{ move: 'proxy comes back' }, { move: 'hypervisor answers' }, ...values];
  return moves.reduce(afterMove, { ...host, world: { ...host.world, host: HOST } });
}

const known = anyWanted.filter(({ environment, uid }) => environment.is === 'ready' && uid === 'uid-1');

/** Edits that are live for a guest with one credential, or with two. */
const liveEdit: fc.Arbitrary<Move> = fc.oneof(
  fc.constantFrom('v2', 'v3', undefined, 'v1').map((value) => ({
    ...{ move: 'value is set' as const, name: 'REAL_KEY' },
    value,
  })),
  fc
    .record({
      mode: fc.constantFrom('all', 'http_https_only'),
      hosts: fc.subarray(['a.example.com', '192.0.2.1']),
    })
    .map(({ mode, hosts }): Move => {
      const { inject } = mediated().instance.spec.credentials.API_KEY ?? { inject: [] };
      return {
        move: 'edit',
        desired: mediated({
          updatePolicy: 'Restart',
          network: { enabled: true, egress: { enabled: true, mode } },
          credentials: {
            API_KEY: { sourceEnv: 'REAL_KEY', inject: inject.map((rule) => ({ ...rule, hosts })) },
          },
        }),
      };
    }),
  fc.constantFrom<Move>(
    { move: 'proxy dies' },
    { move: 'proxy comes back' },
    { move: 'proxy is replaced' },
    { move: 'proxy forgets' },
    { move: 'rules are flushed' },
    { move: 'controller restarts' },
  ),
);

describe('mediation', { timeout: 60_000 }, () => {
  test('whatever happened, a guest that runs ends up with what is declared', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, anyHistory, known, (world, temper, history, edit) => {
        const before = mended(live(hostOf(world, temper), history));
        const { host, plan: last } = settle(afterMove(before, { move: 'edit', desired: edit }), ROUNDS);
        if (last.verdict !== 'rest' || !isNetworkedGuest(host.world)) return;
        const { desired, egress, network } = host.world;
        if (desired.is !== 'wanted' || desired.credentials.is !== 'ready') {
          expect(egress.policy.state).toBe('absent');
          return;
        }
        expect(egress.policy).toMatchObject({ state: 'in-force', revision: desired.credentials.revision });
        expect(network.guard).toMatchObject({ mediation: { ports: portsIn(host.world) } });
        expect(conditionOf(host.world, last, 'Ready')?.status).toBe('True');
      }),
      { numRuns: 1_000 },
    );
  });

  test('who does not run has no policy: no value, no listener', () => {
    fc.assert(
      fc.property(anyWorld, anyTemper, anyHistory, (world, temper, history) => {
        const { host, plan: last } = settle(live(hostOf(world, temper), history), ROUNDS);
        const { machine, desired, egress } = host.world;
        if (machine.state !== 'absent' || desired.is === 'held' || last.actions.length > 0) return;
        expect(egress.policy.state).toBe('absent');
      }),
      { numRuns: 1_000 },
    );
  });

  test('rotation, rules, hosts and mode reach a guest that runs, whatever befalls the proxy, and never restart it', () => {
    fc.assert(
      fc.property(fc.array(liveEdit, { maxLength: 12 }), (moves) => {
        const ended = moves.reduce((host, move) => settle(afterMove(host, move), 3).host, mediatedHost());
        const { host, plan: last, starts } = settle(mended(ended), ROUNDS);
        expect(starts).toBe(0);
        expect(host.world.record).toMatchObject({ run: runOf(mediatedWorld()) });
        expect(last).toMatchObject({ verdict: 'rest', actions: [] });
        const { credentials } = host.world.desired as { credentials: { revision: string } };
        expect(host.world.egress.policy).toMatchObject({ revision: credentials.revision });
      }),
      { numRuns: 500 },
    );
  });

  test('while a value is missing, whatever else is edited, rotated or taken away is in force, and nothing is restarted', () => {
    const lost: Move = { move: 'value is set', name: 'OTHER_KEY', value: undefined };
    const two = mediated({ credentials: { ...mediated().instance.spec.credentials, ...OTHER } });
    fc.assert(
      fc.property(fc.array(liveEdit, { maxLength: 12 }), fc.boolean(), (moves, isDropped) => {
        const begun = settle(afterMove(mediatedHost(), { move: 'edit', desired: two }), ROUNDS).host;
        const edits = [lost, ...moves, ...(isDropped ? [] : [{ move: 'edit', desired: two } as const])];
        const ended = edits.reduce((host, move) => settle(afterMove(host, move), 3).host, begun);
        const { host, starts } = settle(afterMove(ended, { move: 'proxy comes back' }), ROUNDS);
        expect(starts).toBe(0);
        const { credentials } = host.world.desired as { credentials: { revision: string } };
        expect(host.world.egress.policy).toMatchObject({ revision: credentials.revision });
        expect(host.world.record).toMatchObject({ policyRevision: credentials.revision });
      }),
      { numRuns: 500 },
    );
  });

  test('nothing is done over and over while a value, the proxy or the trust of the guest is missing', () => {
    const lack = fc.constantFrom<Move>(
      { move: 'proxy dies' },
      { move: 'value is set', name: 'REAL_KEY', value: undefined },
      { move: 'edit', desired: mediated({}, { environment: MISSING }) },
    );
    fc.assert(
      fc.property(fc.array(lack, { minLength: 1, maxLength: 3 }), fc.boolean(), (moves, trusts) => {
        const temper = { ...mediatedHost().temper, proxy: 'stays away' as const, trusts };
        let host: SimulatedHost = moves.reduce(afterMove, { ...mediatedHost(), temper });
        let acted = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const after = pass(host);
          acted += after.plan.actions.length;
          host = elapse(after.host, after.plan.lookAgainMs ?? 1);
        }
        expect(acted).toBeLessThan(3);
      }),
    );
  });
});

const OTHER = {
  OTHER: {
    sourceEnv: 'OTHER_KEY',
    inject: [{ hosts: ['other.example.com'], header: 'X-Key', format: '${value}', when: 'always' }],
  },
} as const;

const MISSING = { is: 'missing', reason: 'SecretNotFound', message: 'no Secret named x' } as const;

/** One that was started without a network gets its mediation with the network. */
function isNetworkedGuest({ machine, record }: World): boolean {
  const run = record === 'absent' ? undefined : record.run;
  return machine.state === 'running' && run?.applied.fields['network.enabled'] === 'true';
}

function portsIn({ egress }: World): object | undefined {
  return egress.policy.state === 'in-force' ? egress.policy.ports : undefined;
}

function runOf({ record }: World): object | undefined {
  return record === 'absent' ? undefined : record.run;
}

function conditionOf(world: World, last: Plan, type: string): Condition | undefined {
  return statusOf(world, { is: 'planned', plan: last }).conditions.find((each) => each.type === type);
}
