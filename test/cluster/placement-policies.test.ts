import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { isSuccess, sentenceOf } from '../../src/sources/kubernetes/api-server.ts';
import { placeholderFor } from '../../src/sources/kubernetes/placement/placeholder-pod.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { addPaperNode, makeSystem, startWorker } from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { installCrd, must } from '../support/cluster-stage.ts';
import { makePlacementYard } from '../support/placement-yard.ts';
import type { PlacementYard } from '../support/placement-yard.ts';
import { demandWith, instanceWith, SETTINGS } from '../support/placement-worlds.ts';
import { until } from '../support/until.ts';

/**
 * The rules of Pod Security's profile `restricted` that a PodSecurityPolicy can say: 1.20 has no other. Where it says
 * RunAsAny that profile says nothing, and nothing is defaulted.
 */
const RESTRICTED = {
  metadata: {
    name: 'restricted',
    annotations: { 'seccomp.security.alpha.kubernetes.io/allowedProfileNames': 'runtime/default' },
  },
  spec: {
    privileged: false,
    allowPrivilegeEscalation: false,
    requiredDropCapabilities: ['ALL'],
    allowedCapabilities: ['NET_BIND_SERVICE'],
    volumes: ['configMap', 'downwardAPI', 'emptyDir', 'persistentVolumeClaim', 'projected', 'secret'],
    ...{ hostNetwork: false, hostIPC: false, hostPID: false },
    runAsUser: { rule: 'MustRunAsNonRoot' },
    seLinux: { rule: 'RunAsAny' },
    supplementalGroups: { rule: 'RunAsAny' },
    fsGroup: { rule: 'RunAsAny' },
  },
};
const ADMISSION = 'NodeRestriction,PodSecurityPolicy';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement under a namespace's rules ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let worker: Worker;
  let node: PaperNode;
  let yard: PlacementYard;

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true, admission: ADMISSION });
    await must(plane.admin, {
      method: 'POST',
      path: '/apis/policy/v1beta1/podsecuritypolicies',
      body: RESTRICTED,
    });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    worker = await startWorker(plane);
    node = await addPaperNode(plane.admin, 'one', { memoryGib: 64 });
  });
  afterAll(async () => {
    await worker.close();
    await node.remove();
    await plane.close();
  });
  beforeEach(async () => {
    yard = await makePlacementYard(plane.admin);
  });

  async function rule(plural: 'resourcequotas' | 'limitranges', spec: Mapping): Promise<void> {
    const path = `/api/v1/namespaces/${yard.namespace}/${plural}`;
    await must(plane.admin, { method: 'POST', path, body: { metadata: { name: 'rule' }, spec } });
    if (plural === 'limitranges') return;
    await until('the quota is in force', async () => {
      const quota = await must(plane.admin, { method: 'GET', path: `${path}/rule` });
      return valueAt(quota, ['status', 'hard']) !== undefined;
    });
  }

  test('a placeholder is within the profile `restricted`, as it is; another Pod is not', async () => {
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'one');
    const pod = await yard.podOf(instance);
    expect(textAt(pod, ['metadata', 'annotations', 'kubernetes.io/psp'])).toBe('restricted');
    // What was missing would have been put in by the policy: Pod Security refuses it.
    const asked = placeholderFor(instanceWith(), demandWith(), undefined, SETTINGS);
    for (const path of [
      ['spec', 'securityContext'],
      ['spec', 'containers', 0, 'securityContext'],
    ])
      expect(valueAt(pod, path)).toEqual(valueAt(asked, path));
    const other = await plane.admin.ask({
      method: 'POST',
      path: `/api/v1/namespaces/${yard.namespace}/pods`,
      body: {
        metadata: { name: 'other' },
        spec: { hostPID: true, containers: [{ name: 'one', image: 'one' }] },
      },
    });
    expect(isSuccess(other) ? 'it was let in' : sentenceOf(other)).toContain('Host PID is not allowed');
  });

  test('what a LimitRange or a quota refuses is told in the words of the server, and healed by either side', async () => {
    await rule('limitranges', { limits: [{ type: 'Container', max: { memory: '2Gi' } }] });
    const instance = await yard.declare('big', { size: '3GB' });
    const message = /maximum memory usage per Container is 2Gi, but limit is/;
    await yard.untilSaid('big', 'Scheduled', { status: 'False', reason: 'PlaceholderForbidden', message });
    await yard.untilSaid('big', 'Ready', { status: 'False', message });
    await yard.merge('big', { spec: { size: '1GB' } });
    await yard.untilOn(instance, 'one');
  });

  test('a placeholder says all that a quota can insist on', async () => {
    const [cpu, memory] = ['8', '8Gi'];
    const hard = {
      'requests.cpu': cpu,
      'limits.cpu': cpu,
      'requests.memory': memory,
      'limits.memory': memory,
    };
    await rule('resourcequotas', { hard: { ...hard, 'requests.ephemeral-storage': '1Gi', pods: '1' } });
    await yard.untilOn(await yard.declare('web'), 'one');
    await yard.declare('second');
    await yard.untilSaid('second', 'Scheduled', {
      reason: 'QuotaExceeded',
      message: /requested: pods=1, used: pods=1/,
    });
  });

  test('a quota for Instances of one priority lets others in', async () => {
    await must(plane.admin, {
      method: 'POST',
      path: '/apis/scheduling.k8s.io/v1/priorityclasses',
      body: { metadata: { name: 'dear' }, value: 1000 },
    });
    const scope = { operator: 'In', scopeName: 'PriorityClass', values: ['dear'] };
    await rule('resourcequotas', { hard: { pods: '0' }, scopeSelector: { matchExpressions: [scope] } });
    await yard.declare('dear', { priorityClassName: 'dear' });
    await yard.untilSaid('dear', 'Scheduled', { reason: 'QuotaExceeded', message: /exceeded quota: rule/ });
    await yard.untilOn(await yard.declare('plain'), 'one');
    await yard.declare('odd', { priorityClassName: 'nobody-knows' });
    await yard.untilSaid('odd', 'Scheduled', {
      ...{ status: 'False', reason: 'PlaceholderForbidden' },
      message: /no PriorityClass with name nobody-knows was found/,
    });
  });
});
