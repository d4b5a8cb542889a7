import { describe, expect, test } from 'vitest';
import type { Instance } from '../../../../src/api/instance.ts';
import type { InstanceStatus } from '../../../../src/api/status.ts';
import { keyOf } from '../../../../src/machine/ids.ts';
import type { Known } from '../../../../src/sources/kubernetes/known-instances.ts';
import { declaredUnder, isAtRest, tenureOf } from '../../../../src/sources/kubernetes/tenure/tenure.ts';
import type { TenureFacts } from '../../../../src/sources/kubernetes/tenure/tenure.ts';
import { statusUnder } from '../../../../src/sources/kubernetes/tenure/tenure-words.ts';
import { anInstance } from '../../../support/worlds.ts';

const GIB = 1024 ** 3;
const AT = { nodeName: 'node-a', now: Date.parse('2026-11-22T12:00:00Z') };

function known(spec: Partial<Instance['spec']>): Known {
  const metadata = { annotations: { 'hypeman.dev/held-by': 'node-a u1 pod-1' } };
  return {
    object: { key: keyOf('shop', 'web'), uid: 'u1', resourceVersion: '7', document: { metadata } },
    declared: { is: 'wanted', uid: 'u1', generation: 3, instance: anInstance(spec) },
    isClaimed: true,
    warnings: [],
  };
}

function status(reason: string): InstanceStatus {
  const stamp = { message: '', lastTransitionTime: '2026-11-22T07:00:00Z', observedGeneration: 3 };
  return {
    observedGeneration: 3,
    state: 'Stopped',
    conditions: [{ type: 'Ready', status: 'False', reason, ...stamp }],
  };
}

const BOUND: TenureFacts = {
  ...{ nodeName: 'node-a', pods: 'bound', status: undefined, room: { vcpus: 2, memoryBytes: 2 * GIB } },
  ...{ isStandbyUnavailable: false, isSourceThere: false },
};

describe('an Instance whose Pod holds room for 2 vCPUs and 2 GB', () => {
  test.each([
    [{ vcpus: 2, memoryBytes: 2 * GIB, hotplugBytes: 0 }, 'placed'],
    [{ vcpus: 1, memoryBytes: GIB, hotplugBytes: GIB }, 'placed'],
    [{ vcpus: 3, memoryBytes: GIB, hotplugBytes: 0 }, 'outgrown'],
    [{ vcpus: 2, memoryBytes: 2 * GIB, hotplugBytes: 1 }, 'outgrown'],
    [{ vcpus: 8, memoryBytes: 8 * GIB, hotplugBytes: 0, silent: ['vcpus', 'memoryBytes'] }, 'placed'],
  ] as const)('and that declares %j is %s', (spec, is) => {
    expect(tenureOf(known(spec), BOUND).is).toBe(is);
  });

  test('stays as it is where the room was not noted', () => {
    const { room, ...unnoted } = BOUND;
    expect(room).toBeDefined();
    expect(tenureOf(known({ memoryBytes: 8 * GIB }), unnoted)).toEqual({ is: 'placed' });
  });

  test('runs on when it outgrew that, does not start, and says why', () => {
    const one = known({ vcpus: 4, memoryBytes: 8 * GIB, hotplugBytes: 0 });
    const declared = declaredUnder(tenureOf(one, BOUND), one.declared);
    expect(declared).toEqual({
      ...one.declared,
      startBar: {
        reason: 'Resizing',
        message:
          'its placeholder Pod holds room for 2 vCPUs and 2GB, and 4 vCPUs and 8GB are declared: ' +
          'its next start waits for that room on its node',
      },
    });
  });

  test('is at rest once a pass found that it may not start', () => {
    expect(isAtRest(status('Resizing'), 3, 'Running')).toBe(true);
    expect(isAtRest(status('Booting'), 3, 'Running')).toBe(false);
  });
});

test('what the scheduler says of the Pod that is waited for is told', () => {
  const words = { reason: 'Unschedulable', message: '0/1 nodes are available: 1 Insufficient memory.' };
  const told = statusUnder({ is: 'waiting', state: 'Running' }, status('Evicted'), undefined, {
    ...AT,
    words,
  });
  const [ready, scheduled] = ['Ready', 'Scheduled'].map((type) =>
    told.conditions.find((one) => one.type === type),
  );
  expect(scheduled).toMatchObject({ status: 'False', ...words });
  expect(ready).toMatchObject({ status: 'False', reason: 'Evicted' });
  expect(ready?.message).toContain(`the scheduler: ${words.message}`);
});
