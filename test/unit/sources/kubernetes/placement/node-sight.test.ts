import { expect, test } from 'vitest';
import type { AgentSight, NodeSight } from '../../../../../src/sources/kubernetes/placement/node-sight.ts';
import {
  agentSightOf,
  labelChangesOf,
  standingOf,
} from '../../../../../src/sources/kubernetes/placement/node-sight.ts';
import { objectIn } from '../../../../../src/sources/kubernetes/kubernetes-object.ts';
import { NOW } from '../../../../support/placement-worlds.ts';

function nodeWith(more: Partial<NodeSight> = {}): NodeSight {
  return { name: 'node-1', labels: {}, isUnheard: false, isOutOfService: false, ...more };
}
function agentSeen(ago: number): AgentSight {
  const lease = { uid: 'uid-of-lease', resourceVersion: '5' };
  return { ...lease, node: 'node-1', renewal: 'r', seenAt: NOW - ago, hypervisors: ['qemu'], hasKvm: true };
}

test.each([
  ['its agent is heard', nodeWith(), agentSeen(1_000), 'alive'],
  ['its agent is heard and its kubelet is not', nodeWith({ isUnheard: true }), agentSeen(1_000), 'alive'],
  ['neither is heard', nodeWith({ isUnheard: true }), agentSeen(60_000), 'unreachable'],
  ['its kubelet alone is heard', nodeWith(), agentSeen(60_000), 'silent'],
  ['no agent ever told of itself', nodeWith(), undefined, 'alive'],
  ['it is out of service', nodeWith({ isOutOfService: true }), agentSeen(60_000), 'out-of-service'],
  ['it is out of service by mistake', nodeWith({ isOutOfService: true }), agentSeen(0), 'alive'],
  ['it is gone', undefined, agentSeen(60_000), 'gone'],
  ['it is gone, with all that was ever told of it', undefined, undefined, 'gone'],
  ['its Node was deleted and its agent is heard', undefined, agentSeen(0), 'alive'],
] as const)('a node of which %s', (_, node, agent, standing) => {
  expect(standingOf(node, agent, NOW)).toBe(standing);
});

test('a Node is labelled with what its agent can do, and once', () => {
  const labels = { other: 'x', 'hypeman.dev/hypervisor-old': 'true' };
  const changes = labelChangesOf(nodeWith({ labels }), agentSeen(0), NOW);
  expect(changes).toEqual({
    'hypeman.dev/ready': 'true',
    'hypeman.dev/kvm': 'true',
    'hypeman.dev/hypervisor-qemu': 'true',
    'hypeman.dev/hypervisor-old': null,
  });
  const after = {
    'hypeman.dev/ready': 'true',
    'hypeman.dev/kvm': 'true',
    'hypeman.dev/hypervisor-qemu': 'true',
  };
  expect(labelChangesOf(nodeWith({ labels: after }), agentSeen(0), NOW)).toBeUndefined();
  expect(labelChangesOf(nodeWith({ labels: after }), agentSeen(60_000), NOW)).toEqual({
    'hypeman.dev/ready': 'false',
  });
});

test('a Node on which there never was an agent is left alone', () => {
  expect(labelChangesOf(nodeWith(), undefined, NOW)).toBeUndefined();
});

test('a renewal counts from when it was seen here, whatever the clock of the node says', () => {
  const lease = (renewTime: string): NonNullable<ReturnType<typeof objectIn>> => {
    const metadata = {
      namespace: 'hypeman-nodes',
      name: 'node-1',
      uid: 'u',
      resourceVersion: '1',
    };
    const object = objectIn({ metadata, spec: { renewTime } });
    if (object === undefined) throw new Error('no object');
    return object;
  };
  const first = agentSightOf(lease('1999-01-01T00:00:00Z'), NOW, () => undefined);
  expect(first).toMatchObject({ node: 'node-1', seenAt: NOW });
  const again = agentSightOf(lease('1999-01-01T00:00:00Z'), NOW + 5_000, () => first);
  expect(again.seenAt).toBe(NOW);
  expect(agentSightOf(lease('1999-01-01T00:00:10Z'), NOW + 5_000, () => first).seenAt).toBe(NOW + 5_000);
});
