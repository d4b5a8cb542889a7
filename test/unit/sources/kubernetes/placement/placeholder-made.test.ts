import { expect, test } from 'vitest';
import type { InstanceSight } from '../../../../../src/sources/kubernetes/placement/instance-sight.ts';
import { placementOf } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import type { PlacementPlan } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import {
  NOW,
  POD_UID,
  boundTo,
  demandWith,
  instanceWith,
  podWith,
  statusOf,
  worldWith,
} from '../../../../support/placement-worlds.ts';

function said(plan: PlacementPlan, type: string): readonly (string | undefined)[] {
  const found = plan.status?.conditions.find((each) => each.type === type);
  return [found?.status, found?.reason, found?.message];
}

function unnoted(): InstanceSight {
  const { noted, ...rest } = instanceWith({ status: statusOf('Running') });
  expect(noted).toBe(POD_UID);
  return rest;
}

test('an Instance without a node gets a placeholder, and is told to be waiting when that takes a second', () => {
  expect(placementOf(worldWith())).toEqual({
    actions: [{ kind: 'create-placeholder', demand: demandWith() }],
  });
  expect(placementOf(worldWith({ pod: podWith({ createdAt: NOW - 300 }) }))).toEqual({
    actions: [],
    againMs: 700,
  });
  const plan = placementOf(worldWith({ pod: podWith({ createdAt: NOW - 1_000 }) }));
  expect(said(plan, 'Ready')).toEqual(['False', 'Scheduling', 'waiting for the scheduler']);
  expect(said(plan, 'Scheduled')).toEqual(['False', 'Scheduling', 'waiting for the scheduler']);
  expect(said(plan, 'Reconciling')[0]).toBe('True');
});

test.each([
  ['an Instance that no node has', {}],
  ['one that had another Pod', { holder: 'node-1', noted: 'uid-of-last' }],
  ['one that is on another node', { holder: 'node-2' }],
] as const)('a Pod that placement did not make is removed, for %s', (_, claims) => {
  const instance = { ...unnoted(), ...claims };
  const pod = podWith({ binding: boundTo('node-1') });
  const alive = { holderStanding: 'alive', podStanding: 'alive' } as const;
  expect(placementOf(worldWith({ instance, pod, ...alive })).actions).toEqual([
    { kind: 'delete-stranger', pod },
  ]);
});

test('a Pod by which a node took the Instance is kept, and where nothing is noted any Pod on its node', () => {
  const pod = podWith({ binding: boundTo('node-1') }, 'node-1');
  const alive = { pod, holderStanding: 'alive', podStanding: 'alive' } as const;
  const held = { ...unnoted(), holder: 'node-1' };
  expect(placementOf(worldWith({ instance: held, ...alive })).actions).toEqual([]);
  const instance = { ...held, noted: 'uid-of-last', takenBy: POD_UID };
  expect(placementOf(worldWith({ instance, ...alive })).actions).toEqual([]);
});
