import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HypemanError } from '../../../src/errors.ts';
import { eventsOf } from '../../../src/plan/events.ts';
import { failureOf } from '../../../src/plan/outcome.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import { anyHistory, goodTemper, live, ROUNDS } from '../../support/any-history.ts';
import { anyWorld } from '../../support/any-world.ts';
import { deepFreeze } from '../../support/deep-freeze.ts';
import { elapse, hostOf, pass, settle } from '../../support/simulated-host.ts';
import { HIDDEN, NOW } from '../../support/worlds.ts';

describe('purity', { timeout: 60_000 }, () => {
  test('the same world gives the same plan and the same status, and is not changed', () => {
    fc.assert(
      fc.property(anyWorld, (world) => {
        const frozen = deepFreeze(world);
        const first = plan(frozen);
        expect(plan(frozen)).toEqual(first);
        const status = statusOf(frozen, { is: 'planned', plan: first });
        expect(statusOf(frozen, { is: 'planned', plan: first })).toEqual(status);
      }),
    );
  });

  test('told again later, the same status is the same to the letter, and nothing has happened', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, (world, temper) => {
        const { host, plan: last } = settle(hostOf(world, temper), ROUNDS);
        if (last.verdict !== 'rest' && last.verdict !== 'stuck') return;
        const first = statusOf(host.world, { is: 'planned', plan: last });
        const later = { ...host.world, now: host.world.now + 86_400_000 };
        const second = statusOf(later, { is: 'planned', plan: plan(later) }, first);
        expect(JSON.stringify(second)).toBe(JSON.stringify(first));
        expect(eventsOf(first, second, later.now)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test('every status carries Ready, Running and UpToDate, and never Reconciling and Stalled together', () => {
    fc.assert(
      fc.property(
        anyWorld,
        fc.constantFrom('invalid' as const, 'transient' as const, 'bug' as const, 'none' as const),
        (world, fate) => {
          const failure =
            fate === 'none' ? undefined : failureOf(new HypemanError(fate, 'DiskFull', 'the disk is full'));
          const outcome =
            failure === undefined
              ? ({ is: 'planned', plan: plan(world) } as const)
              : ({ is: 'failed', failure } as const);
          const types = statusOf(world, outcome).conditions.map(({ type }) => type);
          expect(types).toEqual(expect.arrayContaining(['Ready', 'Running', 'UpToDate']));
          expect(new Set(types).size).toBe(types.length);
          expect(types.includes('Reconciling') && types.includes('Stalled')).toBe(false);
        },
      ),
    );
  });

  test('while something is waited for, its status stands still', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, anyHistory, (start, temper, history) => {
        const { world } = live(hostOf(start, temper), history);
        const first = plan(world);
        if (first.verdict !== 'waiting' || (first.lookAgainMs ?? 0) < 100) return;
        const status = statusOf(world, { is: 'planned', plan: first });
        const later = { ...world, now: world.now + 50 };
        expect(statusOf(later, { is: 'planned', plan: plan(later) }, status)).toEqual(status);
      }),
      { numRuns: 1_000 },
    );
  });

  test('no value of the environment occurs in a plan, a status or an event, from the first step to rest', () => {
    fc.assert(
      fc.property(anyWorld, goodTemper, (start, temper) => {
        let host = hostOf(start, temper);
        for (let round = 0; round < ROUNDS; round++) {
          const after = pass(host);
          const status = statusOf(host.world, { is: 'planned', plan: after.plan });
          const everything = { plan: after.plan, status, events: eventsOf(undefined, status, NOW) };
          expect(JSON.stringify(everything)).not.toContain(HIDDEN);
          expect(inspect(everything, { depth: 20, showHidden: true })).not.toContain(HIDDEN);
          if (after.plan.verdict === 'rest' || after.plan.verdict === 'stuck') return;
          host = elapse(after.host, after.plan.lookAgainMs ?? 1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
