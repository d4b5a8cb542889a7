import { expect, test } from 'vitest';
import { openPolicies } from '../../../src/egress/policies.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { aPolicy } from '../../support/egress-policies.ts';

test('without a policy there is none to go by', () => {
  expect(openPolicies().of('instance-a')).toBeUndefined();
});

test('a swap replaces the whole policy and tells of both', () => {
  const policies = openPolicies();
  const told: (readonly [string, Policy | undefined, Policy | undefined])[] = [];
  policies.onChange((...change) => told.push(change));
  const [one, two] = [aPolicy(), aPolicy({ generation: 2, grants: [] })];
  policies.swap(one);
  policies.swap(two);
  policies.remove('instance-a');
  expect(told).toEqual([
    ['instance-a', undefined, one],
    ['instance-a', one, two],
    ['instance-a', two, undefined],
  ]);
});

test('whoever is told of a swap finds it in force already', () => {
  const policies = openPolicies();
  const seen: unknown[] = [];
  policies.onChange((instance) => seen.push(policies.of(instance)?.generation));
  policies.swap(aPolicy());
  policies.swap(aPolicy({ generation: 2 }));
  policies.remove('instance-a');
  expect(seen).toEqual([1, 2, undefined]);
});

test('an absent policy is removed without a word', () => {
  const policies = openPolicies();
  policies.onChange(() => {
    throw new Error('told of nothing');
  });
  policies.remove('instance-a');
});

test("one instance's policy is no other's", () => {
  const policies = openPolicies();
  policies.swap(aPolicy());
  policies.swap(aPolicy({ instance: 'instance-b' }));
  policies.remove('instance-b');
  expect(policies.of('instance-a')).toBeDefined();
  expect(policies.all()).toHaveLength(1);
});
