import { expect, test } from 'vitest';
import { placementOf } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import type { PlacementPlan } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import { NOW, instanceWith, worldWith } from '../../../../support/placement-worlds.ts';

function said(plan: PlacementPlan, type: string): readonly (string | undefined)[] {
  const found = plan.status?.conditions.find((each) => each.type === type);
  return [found?.status, found?.reason, found?.message];
}

test('a fork waits for its source to have a node, and is asked for there', () => {
  const what = 'Instance base';
  for (const is of ['absent', 'unplaced'] as const) {
    const instance = instanceWith({ createdAt: NOW - 4_000 });
    const plan = placementOf(worldWith({ instance, source: { is, what } }));
    expect(plan.actions).toEqual([]);
    expect(said(plan, 'Ready').slice(0, 2)).toEqual(['False', 'SourceNotReady']);
    expect(plan.againMs).toBe(is === 'absent' ? 6_000 : undefined);
  }
  const plan = placementOf(worldWith({ source: { is: 'on', what, node: 'node-3' } }));
  expect(plan.actions).toMatchObject([{ kind: 'create-placeholder', node: 'node-3' }]);
});

test('a fork whose source does not come says so for good, with the way out', () => {
  const plan = placementOf(worldWith({ source: { is: 'absent', what: 'Instance base' } }));
  expect(plan.actions).toEqual([]);
  expect(said(plan, 'Stalled')).toEqual([
    'True',
    'SourceNotFound',
    expect.stringContaining('delete this one'),
  ]);
  expect(said(plan, 'Scheduled').slice(0, 2)).toEqual(['False', 'SourceNotFound']);
});

test('an Instance goes where its Volumes are; two nodes at once there is none', () => {
  const [one, other] = [
    { is: 'on', what: 'Volume a', node: 'node-1' },
    { is: 'on', what: 'Volume b', node: 'node-2' },
  ] as const;
  const fresh = { is: 'unplaced', what: 'Volume c' } as const;
  expect(placementOf(worldWith({ volumes: [fresh] })).actions[0]).not.toHaveProperty('node');
  expect(placementOf(worldWith({ volumes: [fresh, one] })).actions).toMatchObject([{ node: 'node-1' }]);
  const apart = placementOf(worldWith({ volumes: [one, other] }));
  expect(apart.actions).toEqual([]);
  expect(said(apart, 'Stalled')).toEqual([
    'True',
    'NeighboursApart',
    'Volume a is on node node-1 and Volume b on node node-2: no node has both',
  ]);
  const missing = placementOf(worldWith({ volumes: [one, { is: 'absent', what: 'Volume d' }] }));
  expect([missing.actions, said(missing, 'Ready')[1]]).toEqual([[], 'VolumeNotFound']);
});
