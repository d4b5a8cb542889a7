import { expect, test } from 'vitest';
import { UnseenDecisions } from '../../../src/cli/unseen-decisions.ts';
import { aDecision } from '../../support/scripted-egress.ts';

test('equal decisions of one millisecond are told as often as they were made', () => {
  const unseen = new UnseenDecisions();
  const same = aDecision({ at: 5 });
  const first = unseen.connection();
  expect([first(same), first(same)]).toEqual([true, true]);
  const second = unseen.connection();
  expect([second(same), second(same), second(same)]).toEqual([false, false, true]);
  const third = unseen.connection();
  expect([third(same), third(same), third(same), third(same)]).toEqual([false, false, false, true]);
});

test('a clock that is set back hides nothing that is live', () => {
  const unseen = new UnseenDecisions();
  const isNew = unseen.connection();
  expect([5, 3, 4].map((at) => isNew(aDecision({ at })))).toEqual([true, true, true]);
});

test('what one instance is known for says nothing about another one', () => {
  const unseen = new UnseenDecisions();
  unseen.connection()(aDecision({ at: 9 }));
  expect(unseen.connection()(aDecision({ at: 1, instance: 'other' }))).toBe(true);
});
