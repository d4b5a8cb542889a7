import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Condition, InstanceStatus } from '../../../src/api/status.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { World } from '../../../src/plan/world.ts';
import { anyWorld } from '../../support/any-world.ts';
import { kstatusOf } from '../../support/kstatus.ts';

/** The object as a server has it after this look. */
function told(world: World): {
  readonly status: InstanceStatus;
  readonly verdict: ReturnType<typeof kstatusOf>;
} {
  const status = statusOf(world, { is: 'planned', plan: plan(world) });
  return { status, verdict: kstatusOf({ metadata: { generation: status.observedGeneration }, status }) };
}

function conditionIn({ conditions }: InstanceStatus, type: string): Condition | undefined {
  return conditions.find((each) => each.type === type);
}

test('kstatus calls an instance failed when somebody must move, and current when it is ready and left alone', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const { status, verdict } = told(world);
      const isTrue = (type: string): boolean => conditionIn(status, type)?.status === 'True';
      expect(verdict === 'Failed', JSON.stringify(status)).toBe(isTrue('Stalled'));
      const isLeftAlone = !isTrue('Reconciling') && !isTrue('Stalled');
      expect(verdict === 'Current', JSON.stringify(status)).toBe(isTrue('Ready') && isLeftAlone);
    }),
  );
});

test('an instance that is not ready says whether it is worked on or waits for somebody: one of both', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      // Of a resource that is gone nobody asks.
      fc.pre(world.desired.is !== 'gone');
      const { status } = told(world);
      const isTrue = (type: string): boolean => conditionIn(status, type)?.status === 'True';
      const said = ['Reconciling', 'Stalled'].filter(isTrue);
      expect(said.length, JSON.stringify(status)).toBeLessThanOrEqual(1);
      if (!isTrue('Ready')) expect(said.length, JSON.stringify(status)).toBe(1);
    }),
  );
});
