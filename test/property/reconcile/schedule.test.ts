import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Schedule } from '../../../src/reconcile/schedule.ts';

const step = fc.oneof(
  fc.record({ is: fc.constant('put' as const), key: fc.nat(20), at: fc.nat(30) }),
  fc.record({ is: fc.constant('remove' as const), key: fc.nat(20) }),
  fc.constant({ is: 'take' as const }),
);

test('a schedule gives what a sorted list would, whatever is put, moved, removed and taken', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const schedule = new Schedule<number>();
      const model = new Map<number, { readonly at: number; readonly order: number }>();
      steps.forEach((each, order) => {
        if (each.is === 'put') {
          schedule.put(each.key, each.at);
          model.set(each.key, { at: each.at, order });
        } else if (each.is === 'remove') {
          schedule.remove(each.key);
          model.delete(each.key);
        } else {
          const [first] = [...model].sort(([, a], [, b]) => a.at - b.at || a.order - b.order);
          expect(schedule.first()?.key).toBe(first?.[0]);
          if (first === undefined) return;
          schedule.remove(first[0]);
          model.delete(first[0]);
        }
        expect(schedule.size).toBe(model.size);
        for (const [key, { at }] of model) expect(schedule.timeOf(key)).toBe(at);
      });
    }),
    { numRuns: 300 },
  );
});
