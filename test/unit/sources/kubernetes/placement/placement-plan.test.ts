import { expect, test } from 'vitest';
import { textAt, valueAt } from '../../../../../src/api/raw.ts';
import { placementOf } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import type { PlacementPlan } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import type { PlacementWorld } from '../../../../../src/sources/kubernetes/placement/placement-world.ts';
import {
  NOW,
  boundTo,
  demandWith,
  instanceWith,
  podWith,
  statusOf,
  worldWith,
} from '../../../../support/placement-worlds.ts';

function kindsOf({ actions }: PlacementPlan): readonly string[] {
  return actions.map(({ kind }) => kind);
}
function said(plan: PlacementPlan, type: string): readonly (string | undefined)[] {
  const found = plan.status?.conditions.find((each) => each.type === type);
  return [found?.status, found?.reason, found?.message];
}
/** The world after its status was written. */
function after(world: PlacementWorld): PlacementWorld {
  const { status } = placementOf(world);
  return status === undefined ? world : { ...world, instance: { ...world.instance, status } };
}

test('the words of the scheduler are the words of the condition, once', () => {
  const message = '0/1 nodes are available: 1 Insufficient memory.';
  const world = worldWith({ pod: podWith({ binding: { is: 'unbound', reason: 'Unschedulable', message } }) });
  const plan = placementOf(world);
  expect(plan.actions).toEqual([]);
  expect(said(plan, 'Scheduled')).toEqual(['False', 'Unschedulable', message]);
  expect(said(plan, 'Ready')).toEqual(['False', 'Scheduling', message]);
  expect(placementOf(after(world))).toEqual({ actions: [] });
});

test('a status that says the same at another time is not written again', () => {
  const world = after(worldWith({ pod: podWith() }));
  expect(placementOf({ ...world, now: NOW + 3_600_000 }).status).toBeUndefined();
});

test('what has no node yet is asked for as it is declared now', () => {
  const pod = podWith({}, undefined, demandWith({ vcpus: 8 }));
  expect(kindsOf(placementOf(worldWith({ pod })))).toEqual(['delete-placeholder']);
});

test('an invalid Instance gets no Pod, and every problem is told', () => {
  const instance = instanceWith({ demand: { invalid: 'spec.vcpus: is wrong\nspec.size: too' } });
  const plan = placementOf(worldWith({ instance }));
  expect(plan.actions).toEqual([]);
  expect(said(plan, 'Stalled')).toEqual(['True', 'Invalid', 'spec.vcpus: is wrong\nspec.size: too']);
  expect(kindsOf(placementOf(worldWith({ instance, pod: podWith() })))).toEqual(['delete-placeholder']);
});

test('a node that is named is not asked of the scheduler', () => {
  const named = (age: number): PlacementWorld =>
    worldWith({
      instance: instanceWith({ createdAt: NOW - age, demand: demandWith({ nodeName: 'node-1' }) }),
    });
  expect(placementOf(named(1_000))).toEqual({ actions: [], againMs: 9_000 });
  const late = placementOf(named(60_000));
  expect(late.actions).toEqual([]);
  expect(said(late, 'Ready').slice(0, 2)).toEqual(['False', 'AgentNotReady']);
});

test('a chosen node has two seconds before it is told that its agent does nothing', () => {
  const bound = (since: number): PlacementWorld =>
    worldWith({ pod: podWith({ binding: boundTo('node-1', since) }), podStanding: 'alive' });
  expect(placementOf(bound(NOW - 500))).toEqual({ actions: [], againMs: 1_500 });
  const late = placementOf(bound(NOW - 5_000));
  expect(said(late, 'Scheduled')).toEqual(['True', 'Scheduled', 'node node-1 was chosen']);
  expect(said(late, 'Ready').slice(0, 2)).toEqual(['False', 'AgentNotReady']);
});

test.each(['unreachable', 'silent', 'gone', 'out-of-service'] as const)(
  'a chosen node that is %s before it took the Instance is given up',
  (podStanding) => {
    const world = worldWith({ pod: podWith({ binding: boundTo('node-1') }), podStanding });
    expect(placementOf(world).actions).toMatchObject([{ kind: 'delete-placeholder', isForced: true }]);
    const ending = { ...world, pod: podWith({ binding: boundTo('node-1'), isEnding: true }) };
    expect(kindsOf(placementOf(ending))).toEqual(['release-placeholder', 'delete-placeholder']);
  },
);

test('what an agent has is its own to speak of', () => {
  const instance = instanceWith({ holder: 'node-1', status: statusOf('Running') });
  const pod = podWith({ binding: boundTo('node-1') }, 'node-1');
  const world = worldWith({ instance, pod, holderStanding: 'alive', podStanding: 'alive' });
  expect(placementOf(world)).toEqual({ actions: [] });
});

test('a placeholder that is missing is made again where the disks are', () => {
  const instance = instanceWith({ holder: 'node-1', status: statusOf('Running') });
  const plan = placementOf(worldWith({ instance, holderStanding: 'alive' }));
  expect(plan).toEqual({
    actions: [{ kind: 'create-placeholder', demand: demandWith(), node: 'node-1' }],
  });
});

test.each([
  ['Stopped', 'Stopped', {}, 'freed'],
  ['Standby', 'Standby', {}, 'freed'],
  ['Stopped', 'Created', {}, 'freed'],
  ['Stopped', 'Standby', {}, 'freed'],
  ['Standby', 'Stopped', {}, 'kept'],
  ['Standby', 'Created', {}, 'kept'],
  ['Standby', 'Stopped', { ready: 'Completed' }, 'freed'],
  ['Stopped', 'Running', {}, 'kept'],
  ['Stopped', 'Stopped', { progress: ['Reconciling'] }, 'kept'],
  ['Stopped', 'Stopped', { generation: 0 }, 'kept'],
  ['Running', 'Standby', {}, 'kept'],
  ['Running', 'Stopped', { ready: 'Evicted' }, 'kept'],
  ['Running', 'Stopped', { ready: 'Exited', progress: ['Reconciling'] }, 'kept'],
  ['Running', 'Stopped', { ready: 'Exited', progress: ['Stalled'] }, 'kept'],
  ['Running', 'Stopped', { ready: 'Exited' }, 'freed'],
  ['Running', 'Stopped', { ready: 'Completed' }, 'freed'],
  ['Running', 'Stopped', { ready: 'Completed', generation: 0 }, 'kept'],
] as const)('declared %s and seen %s (%j): its room is %s', (state, seen, more, room) => {
  const demand = demandWith({ state });
  const instance = instanceWith({ holder: 'node-1', demand, status: statusOf(seen, more) });
  const held = { instance, holderStanding: 'alive', podStanding: 'alive' } as const;
  const pod = podWith({ binding: boundTo('node-1') }, 'node-1', demand);
  expect(kindsOf(placementOf(worldWith({ ...held, pod })))).toEqual(
    room === 'freed' ? ['delete-placeholder'] : [],
  );
  expect(kindsOf(placementOf(worldWith(held)))).toEqual(room === 'freed' ? [] : ['create-placeholder']);
});

test('a placeholder that ends under its machine waits for the agent', () => {
  const instance = instanceWith({ holder: 'node-1', status: statusOf('Running') });
  const pod = podWith({ binding: boundTo('node-1'), isEnding: true }, 'node-1');
  const world = worldWith({ instance, pod, holderStanding: 'alive', podStanding: 'alive' });
  expect(placementOf(world)).toEqual({ actions: [] });
});

test.each([
  ['that no node ever had', podWith({ isEnding: true }), {}],
  [
    'on a node that does not have the Instance',
    podWith({ isEnding: true, binding: boundTo('node-2') }),
    {
      podStanding: 'alive',
    } as const,
  ],
])('an ending placeholder %s goes at once', (_, pod, more) => {
  const instance = instanceWith({ holder: 'node-1', status: statusOf('Running') });
  const plan = placementOf(worldWith({ instance, pod, holderStanding: 'alive', ...more }));
  expect(kindsOf(plan)).toEqual(['release-placeholder']);
});

test('a placeholder on another node than the disks is removed', () => {
  const instance = instanceWith({ holder: 'node-1', status: statusOf('Running') });
  const pod = podWith({ binding: boundTo('node-2') });
  const plan = placementOf(worldWith({ instance, pod, holderStanding: 'alive', podStanding: 'alive' }));
  expect(kindsOf(plan)).toEqual(['delete-placeholder']);
});

test('a placeholder that its kubelet refused is replaced, and not in a hurry', () => {
  const over = (age: number): PlacementWorld =>
    worldWith({ pod: podWith({ isOver: true, binding: boundTo('node-1'), createdAt: NOW - age }) });
  expect(placementOf(over(10_000))).toMatchObject({ actions: [], againMs: 20_000 });
  expect(kindsOf(placementOf(over(40_000)))).toEqual(['delete-placeholder']);
});

test.each([
  ['unreachable', 'NodeUnreachable'],
  ['silent', 'AgentUnreachable'],
] as const)('a holder that is %s keeps the Instance, and its state is unknown', (holderStanding, reason) => {
  const instance = instanceWith({ holder: 'node-1', status: statusOf('Running') });
  const world = worldWith({ instance, holderStanding });
  const plan = placementOf(world);
  expect(plan.actions).toEqual([]);
  expect(said(plan, 'Ready').slice(0, 2)).toEqual(['Unknown', reason]);
  expect(said(plan, 'Running').slice(0, 2)).toEqual(['Unknown', reason]);
  expect(plan.status).toMatchObject({ state: 'Unknown', observedGeneration: 1 });
  expect(placementOf(after(world))).toEqual({ actions: [] });
});

test.each(['gone', 'out-of-service'] as const)(
  'a holder that is %s loses the Instance, one that is being deleted too',
  (holderStanding) => {
    for (const isBeingDeleted of [false, true]) {
      const instance = instanceWith({ holder: 'node-1', isBeingDeleted, status: statusOf('Running') });
      expect(placementOf(worldWith({ instance, holderStanding }))).toEqual({
        actions: [{ kind: 'let-go', node: 'node-1' }],
      });
    }
  },
);

test('what is let go is told anew: nothing of its last node is true any more', () => {
  const instance = instanceWith({ status: { ...statusOf('Running'), nodeName: 'node-1' } });
  const { status } = placementOf(worldWith({ instance }));
  expect(valueAt(status, ['nodeName'])).toBeUndefined();
  expect(valueAt(status, ['state'])).toBeUndefined();
});

test('a refusal is told, and asked again less and less often, and at once after an edit', () => {
  const why = { is: 'waiting', reason: 'QuotaExceeded', message: 'exceeded quota: small' } as const;
  const refusal = { ...why, generation: 1, at: NOW - 1_000, count: 1 };
  const plan = placementOf(worldWith({ refusal }));
  expect([plan.actions, plan.againMs]).toEqual([[], 9_000]);
  expect(said(plan, 'Scheduled')).toEqual(['False', 'QuotaExceeded', 'exceeded quota: small']);
  expect(placementOf(worldWith({ refusal: { ...refusal, count: 3 } })).againMs).toBe(39_000);
  const again = placementOf(worldWith({ refusal: { ...refusal, at: NOW - 11_000 } }));
  expect([kindsOf(again), again.status]).toEqual([['create-placeholder'], undefined]);
  const edited = placementOf(worldWith({ instance: instanceWith({ generation: 2 }), refusal }));
  expect(kindsOf(edited)).toEqual(['create-placeholder']);
});

test('a Pod that can be none is for the user to mend', () => {
  const refusal = {
    is: 'stalled',
    reason: 'PlaceholderInvalid',
    message: 'spec.affinity: Required value',
    generation: 1,
    at: NOW,
    count: 1,
  } as const;
  expect(said(placementOf(worldWith({ refusal })), 'Stalled')[1]).toBe('PlaceholderInvalid');
});

test('an Instance that is being deleted keeps its placeholder until its machine is gone', () => {
  const pod = podWith({ binding: boundTo('node-1') });
  const held = instanceWith({ isBeingDeleted: true, holder: 'node-1' });
  const world = { pod, holderStanding: 'alive', podStanding: 'alive' } as const;
  expect(placementOf(worldWith({ ...world, instance: held }))).toEqual({ actions: [] });
  const unheld = placementOf(worldWith({ ...world, instance: instanceWith({ isBeingDeleted: true }) }));
  expect([kindsOf(unheld), unheld.status]).toEqual([['delete-placeholder'], undefined]);
});

test('the observed generation is that of the spec which was looked at', () => {
  const plan = placementOf(worldWith({ instance: instanceWith({ generation: 7 }), pod: podWith() }));
  expect(plan.status?.observedGeneration).toBe(7);
  expect(textAt(plan.status, ['conditions', 0, 'lastTransitionTime'])).toBe('2026-11-22T11:00:00Z');
});
