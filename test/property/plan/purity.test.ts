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
import { hostOf, settle } from '../../support/simulated-host.ts';
import { HIDDEN } from '../../support/worlds.ts';

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

  test('no value of the environment occurs in a plan, a status or an event', () => {
    fc.assert(
      fc.property(anyWorld, anyHistory, (start, history) => {
        const { world } = live(hostOf(start), history);
        const next = plan(world);
        const status = statusOf(world, { is: 'planned', plan: next });
        const everything = { next, status, events: eventsOf(undefined, status, world.now) };
        expect(JSON.stringify(everything)).not.toContain(HIDDEN);
        expect(inspect(everything, { depth: 20, showHidden: true })).not.toContain(HIDDEN);
      }),
    );
  });
});
