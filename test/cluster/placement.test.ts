import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { addPaperNode, makeSystem, startWorker } from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { eventually, installCrd, must } from '../support/cluster-stage.ts';
import { agentStatus, makePlacementYard } from '../support/placement-yard.ts';
import type { PlacementYard } from '../support/placement-yard.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement by the scheduler ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let worker: Worker;
  let yard: PlacementYard;
  let nodes: PaperNode[] = [];

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    worker = await startWorker(plane);
  });
  afterAll(async () => {
    await worker.close();
    await plane.close();
  });
  beforeEach(async () => {
    yard = await makePlacementYard(plane.admin);
  });
  afterEach(async () => {
    try {
      await yard.clear();
    } finally {
      await Promise.all(nodes.map((node) => node.remove()));
      nodes = [];
    }
  });

  async function node(name: string, ...more: [Parameters<typeof addPaperNode>[2]?]): Promise<PaperNode> {
    const added = await addPaperNode(plane.admin, name, ...more);
    nodes.push(added);
    return added;
  }

  test('an Instance goes to a node with an agent and with what it selects by', async () => {
    await node('bare', { hasAgent: false });
    await node('plain');
    const ssd = await node('ssd');
    const instance = await yard.declare('web', { nodeSelector: { disk: 'ssd' }, vcpus: 4 });
    await yard.untilSaid('web', 'Scheduled', {
      reason: 'Unschedulable',
      message: /^0\/3 nodes are available/,
    });
    await ssd.patch({ metadata: { labels: { disk: 'ssd' } } });
    await yard.untilOn(instance, 'ssd');
    const pod = await yard.podOf(instance);
    expect(valueAt(pod, ['metadata', 'ownerReferences', 0])).toMatchObject({
      kind: 'Instance',
      controller: true,
    });
    expect(valueAt(pod, ['spec', 'containers', 0, 'resources', 'requests', 'cpu'])).toBe('4');
    expect(valueAt(pod, ['status', 'qosClass'])).toBe('Guaranteed');
    const labels = valueAt(await must(plane.admin, { method: 'GET', path: '/api/v1/nodes/ssd' }), [
      'metadata',
      'labels',
    ]);
    expect(labels).toMatchObject({
      'hypeman.dev/ready': 'true',
      'hypeman.dev/kvm': 'false',
      'hypeman.dev/hypervisor-qemu': 'true',
    });
  });

  test("what the scheduler says is the Instance's, and heals when there is room", async () => {
    const small = await node('small', { memoryGib: 2 });
    const instance = await yard.declare('big', { size: '4GB' });
    const message = '0/1 nodes are available: 1 Insufficient memory.';
    await yard.untilSaid('big', 'Scheduled', { status: 'False', reason: 'Unschedulable', message });
    expect(await yard.condition('big', 'Ready')).toMatchObject({
      status: 'False',
      reason: 'Scheduling',
      message,
    });
    expect(await yard.condition('big', 'Reconciling')).toMatchObject({ status: 'True' });
    await small.setMemory(8);
    await yard.untilOn(instance, 'small');
    await yard.untilSaid('big', 'Scheduled', { status: 'True', message: 'node small was chosen' });
  });

  test('a smaller declaration is asked for in place of one that found no room', async () => {
    await node('small', { memoryGib: 2 });
    const instance = await yard.declare('big', { size: '4GB' });
    await yard.untilSaid('big', 'Scheduled', { reason: 'Unschedulable' });
    await yard.merge('big', { spec: { size: '1GB' } });
    await yard.untilOn(instance, 'small');
  });

  test('a quota that is used up is a condition', async () => {
    await node('one');
    await must(plane.admin, {
      method: 'POST',
      path: `/api/v1/namespaces/${yard.namespace}/resourcequotas`,
      body: { metadata: { name: 'small' }, spec: { hard: { 'requests.memory': '1Gi' } } },
    });
    await eventually(async () => {
      const path = `/api/v1/namespaces/${yard.namespace}/resourcequotas/small`;
      return valueAt(await must(plane.admin, { method: 'GET', path }), ['status', 'hard']) !== undefined;
    });
    await yard.declare('big', { size: '2GB' });
    await yard.untilSaid('big', 'Scheduled', { reason: 'QuotaExceeded', message: /exceeded quota: small/ });
    await yard.merge('big', { spec: { size: '512MB' } });
    await yard.untilSaid('big', 'Scheduled', { status: 'True' });
  });

  test('an affinity that is none is for the user to mend', async () => {
    await node('one');
    const preferredDuringSchedulingIgnoredDuringExecution = [{ weight: 1000, preference: {} }];
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
    const instance = await yard.declare('odd', { affinity });
    await yard.untilSaid('odd', 'Stalled', { reason: 'PlaceholderInvalid', message: /weight/ });
    await yard.merge('odd', { spec: { affinity: null } });
    await yard.untilOn(instance, 'one');
    await yard.untilSaid('odd', 'Stalled', {});
  });

  test('an Instance that matters more takes the place of another, which waits', async () => {
    await node('one', { memoryGib: 3 });
    await must(plane.admin, {
      method: 'POST',
      path: '/apis/scheduling.k8s.io/v1/priorityclasses',
      body: { metadata: { name: 'urgent' }, value: 1000 },
    });
    const idle = await yard.declare('idle', { size: '2GB' });
    await yard.untilOn(idle, 'one');
    await yard.take(idle, 'one');
    const urgent = await yard.declare('urgent', { size: '2GB', priorityClassName: 'urgent' });
    await eventually(
      async () => textAt(await yard.podOf(idle), ['metadata', 'deletionTimestamp']) !== undefined,
    );
    // Its machine is stopped by its agent.
    await yard.releasePod(idle);
    await yard.untilOn(urgent, 'one');
    await eventually(async () => (await yard.podOf(idle)) !== undefined);
    expect(await yard.nodeOf(idle)).toBeUndefined();
  });

  test('a fork goes where its source is, and waits for it', async () => {
    await node('first');
    await node('second');
    const fork = await yard.declare('fork', { image: undefined, forkFrom: { instance: 'source' } });
    await yard.untilSaid('fork', 'Ready', { reason: 'SourceNotReady', message: /source.*is not there/ });
    const source = await yard.declare('source', { nodeSelector: { 'kubernetes.io/hostname': 'second' } });
    await yard.untilSaid('fork', 'Ready', { reason: 'SourceNotReady', message: /has no node yet/ });
    expect(await yard.podOf(fork)).toBeUndefined();
    await yard.take(source, 'second');
    await yard.untilOn(fork, 'second');
  });

  test('the room of an Instance that stands still is free, and asked for again on its node', async () => {
    await node('first');
    await node('second');
    const instance = await yard.declare('web');
    await eventually(async () => (await yard.nodeOf(instance)) !== undefined);
    const home = (await yard.nodeOf(instance)) ?? '';
    await yard.take(instance, home);
    await yard.merge('web', { spec: { state: 'Stopped' } });
    await yard.report(instance, agentStatus('Stopped', 2));
    await eventually(
      async () => textAt(await yard.podOf(instance), ['metadata', 'deletionTimestamp']) !== undefined,
    );
    await yard.releasePod(instance);
    await eventually(async () => (await yard.podOf(instance)) === undefined);
    await yard.merge('web', { spec: { state: 'Running' } });
    await yard.untilOn(instance, home);
    const name = ['spec', 'affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution'];
    expect(JSON.stringify(valueAt(await yard.podOf(instance), name))).toContain('metadata.name');
  });

  test('a deleted Instance takes its placeholder along, wherever that is', async () => {
    await node('one');
    const bound = await yard.declare('bound');
    await yard.untilOn(bound, 'one');
    const waiting = await yard.declare('waiting', { size: '100GB' });
    await yard.untilSaid('waiting', 'Scheduled', { reason: 'Unschedulable' });
    await yard.remove('waiting');
    await eventually(async () => (await yard.podOf(waiting)) === undefined);
    await yard.remove('bound');
    await eventually(async () => (await yard.podOf(bound)) === undefined);
  });

  test('an invalid Instance, as an old server lets it in, gets no Pod and every problem', async () => {
    await node('one');
    const instance = await yard.declare('odd', { volumes: [{ volume: 'v', mountPath: '/proc' }], vpcus: 2 });
    const said = await yard.untilSaid('odd', 'Stalled', { reason: 'Invalid' });
    expect(said.message).toContain('spec.volumes[0].mountPath');
    expect(await yard.podOf(instance)).toBeUndefined();
  });

  function writes(): number {
    return [...worker.answers]
      .filter(([name]) => /^(POST|PATCH|DELETE)/.test(name))
      .reduce((sum, [, count]) => sum + count, 0);
  }

  test('at rest nothing is written but the Lease', async () => {
    await node('one');
    const instances: Mapping[] = [];
    for (const name of ['a', 'b', 'c']) instances.push(await yard.declare(name, { size: '512MB' }));
    for (const instance of instances) {
      await yard.untilOn(instance, 'one');
      await yard.take(instance, 'one');
    }
    await yard.declare('waiting', { size: '100GB' });
    await yard.untilSaid('waiting', 'Scheduled', { reason: 'Unschedulable' });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    const [before, startedAt] = [writes(), Date.now()];
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    const renewals = Math.ceil((Date.now() - startedAt) / 300);
    expect(writes() - before).toBeLessThanOrEqual(renewals);
    expect(worker.lines.filter((line) => line.includes('"level":50'))).toEqual([]);
  });
});
