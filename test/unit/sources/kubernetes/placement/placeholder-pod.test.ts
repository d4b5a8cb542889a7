import { expect, test } from 'vitest';
import { textAt, valueAt } from '../../../../../src/api/raw.ts';
import type { Mapping } from '../../../../../src/api/raw.ts';
import type { Demand } from '../../../../../src/sources/kubernetes/placement/instance-sight.ts';
import { placeholderFor } from '../../../../../src/sources/kubernetes/placement/placeholder-pod.ts';
import { placeholderNameFor } from '../../../../../src/sources/kubernetes/placement/placeholder-words.ts';
import { podSightOf } from '../../../../../src/sources/kubernetes/placement/pod-sight.ts';
import { objectIn } from '../../../../../src/sources/kubernetes/kubernetes-object.ts';
import { keyOf } from '../../../../../src/machine/ids.ts';
import { SETTINGS, UID, demandWith, instanceWith } from '../../../../support/placement-worlds.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const TERMS = ['spec', 'affinity', 'nodeAffinity', REQUIRED, 'nodeSelectorTerms'];

function podFor(demand: Partial<Demand> = {}, node?: string): Mapping {
  return placeholderFor(instanceWith(), demandWith(demand), node, SETTINGS);
}

test('it asks for what the machine and its hypervisor take, no less and no more', () => {
  const resources = valueAt(podFor({ vcpus: 4, memoryBytes: 1024 ** 3 }), [
    'spec',
    'containers',
    0,
    'resources',
  ]);
  const memory = String(1024 ** 3 + 160 * 1024 ** 2 + 4 * 1024 ** 2);
  expect(resources).toEqual({ requests: { cpu: '4000m', memory }, limits: { cpu: '4', memory } });
});

test('guests may share CPUs, and never memory', () => {
  const shared = placeholderFor(instanceWith(), demandWith({ vcpus: 3 }), undefined, {
    ...SETTINGS,
    cpuPercent: 25,
  });
  const at = (part: string, what: string): unknown =>
    valueAt(shared, ['spec', 'containers', 0, 'resources', part, what]);
  expect([at('requests', 'cpu'), at('limits', 'cpu')]).toEqual(['750m', '3']);
  expect(at('requests', 'memory')).toBe(at('limits', 'memory'));
});

test("the Instance's wishes reach the scheduler word for word, and nodes without an agent are left out", () => {
  const podFields = {
    nodeSelector: { disk: 'ssd', 'hypeman.dev/ready': 'false' },
    tolerations: [{ operator: 'Exists' }],
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
    priorityClassName: 'urgent',
    schedulerName: 'second',
  };
  const { spec } = podFor({ podFields });
  const nodeSelector = { disk: 'ssd', 'hypeman.dev/ready': 'true' };
  expect(spec).toMatchObject({ ...podFields, nodeSelector });
});

test.each([
  ['none', undefined, [{ matchFields: 'here' }]],
  [
    'one of two',
    [{ matchExpressions: ['a'] }, { matchExpressions: ['b'] }],
    [
      { matchExpressions: ['a'], matchFields: 'here' },
      { matchExpressions: ['b'], matchFields: 'here' },
    ],
  ],
  ['one that nothing meets', [{}], [{ matchFields: 'here' }]],
])('a node that is required stands beside the terms of the user: %s', (_, terms, expected) => {
  const affinity = terms === undefined ? {} : { nodeAffinity: { [REQUIRED]: { nodeSelectorTerms: terms } } };
  const here = [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }];
  expect(valueAt(podFor({ podFields: { affinity } }, 'node-1'), TERMS)).toEqual(
    expected.map((term) => ({ ...term, matchFields: here })),
  );
});

test("its labels are the Instance's, so that budgets and spreading find it, and ours win", () => {
  const labels = { app: 'web', 'hypeman.dev/placeholder': 'no' };
  expect(valueAt(podFor({ labels }), ['metadata', 'labels'])).toEqual({
    app: 'web',
    'hypeman.dev/placeholder': 'true',
    'hypeman.dev/instance': 'web',
  });
});

test('names and labels are what Kubernetes allows, however long the name is', () => {
  const name = `${'a'.repeat(48)}-${'b'.repeat(14)}`;
  for (const long of [name, `${'a'.repeat(49)}-${'b'.repeat(13)}`]) {
    const pod = placeholderFor(
      instanceWith({ key: keyOf('default', long) }),
      demandWith(),
      undefined,
      SETTINGS,
    );
    expect(textAt(pod, ['metadata', 'name'])).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    expect(textAt(pod, ['metadata', 'labels', 'hypeman.dev/instance'])).toMatch(
      /^[a-z0-9][-a-z0-9]{0,61}[a-z0-9]$/,
    );
  }
  expect(placeholderNameFor('web', 'one')).not.toBe(placeholderNameFor('web', 'other'));
});

test('it runs as nobody, with nothing to write, to call or to read', () => {
  const { spec } = podFor();
  expect(spec).toMatchObject({
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true },
    containers: [{ securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } } }],
  });
});

test('it is found again as what it is, and a Pod that only bears the label is not', () => {
  const { metadata, ...rest } = podFor();
  const seen = objectIn({ ...rest, metadata: { ...(metadata as Mapping), uid: 'u', resourceVersion: '1' } });
  if (seen === undefined) throw new Error('no object');
  expect(podSightOf(seen)).toMatchObject({ instance: { key: keyOf('default', 'web'), uid: UID } });
  expect(podSightOf({ ...seen, key: keyOf('default', 'another') })).toBeUndefined();
});
