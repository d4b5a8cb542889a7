import { keyOf } from '../../src/machine/ids.ts';
import type { Demand, InstanceSight } from '../../src/sources/kubernetes/placement/instance-sight.ts';
import { demandDigest } from '../../src/sources/kubernetes/placement/placeholder-pod.ts';
import {
  POD_FINALIZER,
  placeholderNameFor,
} from '../../src/sources/kubernetes/placement/placeholder-words.ts';
import type { PlacementWorld } from '../../src/sources/kubernetes/placement/placement-world.ts';
import type { PodSight } from '../../src/sources/kubernetes/placement/pod-sight.ts';

export const NOW = Date.parse('2026-11-22T11:00:00Z');
export const UID = 'uid-of-web';
export const POD_UID = 'uid-of-pod';
export const SETTINGS = { image: 'holder:1', cpuPercent: 100 };

export function demandWith(more: Partial<Demand> = {}): Demand {
  return {
    state: 'Running',
    vcpus: 2,
    memoryBytes: 1024 ** 3,
    labels: {},
    volumes: [],
    podFields: {},
    ...more,
  };
}

export function instanceWith(more: Partial<InstanceSight> = {}): InstanceSight {
  return {
    key: keyOf('default', 'web'),
    uid: UID,
    resourceVersion: '10',
    generation: 1,
    createdAt: NOW - 60_000,
    isBeingDeleted: false,
    finalizers: [],
    noted: POD_UID,
    demand: demandWith(),
    status: {},
    ...more,
  };
}

/** One of that Instance; as it would be asked for on `pinned`, or anywhere. */
export function podWith(more: Partial<PodSight> = {}, pinned?: string, demand = demandWith()): PodSight {
  return {
    key: keyOf('default', placeholderNameFor('web', UID)),
    uid: POD_UID,
    resourceVersion: '20',
    instance: { key: keyOf('default', 'web'), uid: UID },
    createdAt: NOW - 60_000,
    isEnding: false,
    finalizers: [POD_FINALIZER],
    isOver: false,
    demand: demandDigest(demand, pinned, SETTINGS),
    binding: { is: 'unbound' },
    ...more,
  };
}

export function boundTo(node: string, since = NOW - 60_000): PodSight['binding'] {
  return { is: 'bound', node, since };
}

export function worldWith(more: Partial<PlacementWorld> = {}): PlacementWorld {
  return { now: NOW, instance: instanceWith(), volumes: [], settings: SETTINGS, ...more };
}

/** What an agent tells of an Instance at rest, or not. */
export function statusOf(
  state: string,
  { ready = 'Ready', progress = [] as readonly string[], generation = 1 } = {},
): InstanceSight['status'] {
  const condition = (type: string, status: string, why: string): unknown => ({
    type,
    status,
    reason: why,
    message: why,
    lastTransitionTime: '2026-11-22T10:00:00Z',
    observedGeneration: generation,
  });
  return {
    observedGeneration: generation,
    state,
    conditions: [
      condition('Ready', ready === 'Ready' ? 'True' : 'False', ready),
      condition(
        'Running',
        state === 'Running' ? 'True' : 'False',
        state === 'Running' ? 'ProgramRunning' : 'Exited',
      ),
      ...progress.map((type) => condition(type, 'True', 'Busy')),
    ],
  };
}
