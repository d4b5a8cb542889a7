import { expect, test } from 'vitest';
import { openParser } from '../../../../../src/api/parser.ts';
import { keyOf } from '../../../../../src/machine/ids.ts';
import type { KubernetesObject } from '../../../../../src/sources/kubernetes/kubernetes-object.ts';
import { AGENT_GRACE_MS } from '../../../../../src/sources/kubernetes/placement/node-sight.ts';
import { PlacementSights } from '../../../../../src/sources/kubernetes/placement/placement-sights.ts';
import { instanceCrd } from '../../../../support/instance-crd.ts';

const WEB = keyOf('default', 'web');
const HOUR_MS = 3_600_000;

function object(namespace: string, name: string, document: KubernetesObject['document']): KubernetesObject {
  return { key: keyOf(namespace, name), uid: `uid-of-${name}`, resourceVersion: '7', document };
}

test('a clock that is set takes no Instance from an agent that is heard', () => {
  let steady = 5_000;
  const sights = new PlacementSights(openParser(instanceCrd()), () => steady);
  sights.putInstance(
    object('default', 'web', { spec: { image: 'nginx' }, status: { nodeName: 'node-1', conditions: [] } }),
  );
  sights.putNode(object('', 'node-1', { spec: { taints: [{ key: 'node.kubernetes.io/out-of-service' }] } }));
  sights.putAgent(object('hypeman-nodes', 'node-1', { spec: { renewTime: '1999-01-01T00:00:00Z' } }));
  expect(sights.worldOf(WEB, Date.now() + HOUR_MS)?.holderStanding).toBe('alive');
  steady += AGENT_GRACE_MS;
  expect(sights.worldOf(WEB, Date.now())?.holderStanding).toBe('out-of-service');
});
