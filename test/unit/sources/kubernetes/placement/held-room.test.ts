import { expect, test } from 'vitest';
import { withKeptMemory } from '../../../../../src/sources/kubernetes/placement/held-room.ts';
import { placementOf } from '../../../../../src/sources/kubernetes/placement/placement-plan.ts';
import {
  POD_UID,
  boundTo,
  demandWith,
  instanceWith,
  podWith,
  statusOf,
  worldWith,
} from '../../../../support/placement-worlds.ts';

const GIB = 1024 ** 3;
const SMALL = { vcpus: 2, memoryBytes: GIB };
const LARGE = { vcpus: 2, memoryBytes: 2 * GIB };

test.each([
  ['its node put it to rest for want of room', { takenBy: 'kept', room: SMALL }, 'deleted'],
  ['it runs on in the room there is', { takenBy: POD_UID, room: SMALL }, 'kept'],
  ['there is room enough', { takenBy: 'kept', room: LARGE }, 'kept'],
  ['nobody knows for how much it holds room', { takenBy: 'kept' }, 'kept'],
  ['it is of another Pod that the note speaks', { takenBy: 'kept', room: SMALL, noted: 'other' }, 'kept'],
] as const)('the placeholder of an Instance that was made larger, where %s', (_, claims, outcome) => {
  const demand = demandWith(LARGE);
  const instance = instanceWith({ holder: 'node-1', demand, status: statusOf('Running'), ...claims });
  const pod = podWith({ binding: boundTo('node-1') }, 'node-1');
  const { actions } = placementOf(
    worldWith({ instance, pod, holderStanding: 'alive', podStanding: 'alive' }),
  );
  const isDeleted = actions.some(({ kind }) => kind === 'delete-placeholder');
  expect(isDeleted).toBe(outcome === 'deleted');
});

test.each([
  ['Standby', '2GB', '1GB', 3 * GIB],
  ['Standby', '512MB', undefined, GIB],
  ['Running', '2GB', '1GB', GIB],
] as const)(
  'in %s with %s and room for %s, declared 1 GB: asked for are %i',
  (state, size, hotplugSize, asked) => {
    const status = {
      ...statusOf(state),
      size,
      vcpus: 1,
      ...(hotplugSize === undefined ? {} : { hotplugSize }),
    };
    expect(withKeptMemory(instanceWith({ status })).demand).toEqual(demandWith({ memoryBytes: asked }));
  },
);

test('a memory that is to be given up is not asked room for', () => {
  const instance = instanceWith({
    demand: demandWith({ state: 'Stopped' }),
    status: { ...statusOf('Standby'), size: '2GB' },
  });
  expect(withKeptMemory(instance)).toBe(instance);
});
