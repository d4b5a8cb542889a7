import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseQuantity } from '../../src/api/quantity.ts';
import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { withStandby } from '../support/cluster-placed-nodes.ts';
import { addPaperNode, makeSystem, startWorker } from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { NODE, eventually, installCrd, must } from '../support/cluster-stage.ts';
import { makePlacementYard } from '../support/placement-yard.ts';
import type { PlacementYard } from '../support/placement-yard.ts';

const missing = controlPlaneMissing();
const MEMORY = ['spec', 'containers', 0, 'resources', 'requests', 'memory'];
const RESTART = { metadata: { annotations: { 'hypeman.dev/restartedAt': '2026-11-22T12:00:00Z' } } };

describe.skipIf(missing !== undefined)(`an Instance that is edited in size ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let worker: Worker;
  let node: PaperNode;
  let host: FakeNode;
  let agent: FakeAgent;
  let yard: PlacementYard;

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    node = await addPaperNode(plane.admin, NODE);
    worker = await startWorker(plane);
    host = withStandby(await openFakeNode());
    agent = await startFakeAgent(plane, host);
  });
  afterAll(async () => {
    await agent.close();
    await worker.close();
    await node.remove();
    await host.close();
    await plane.close();
  });
  beforeEach(async () => {
    yard = await makePlacementYard(plane.admin);
  });
  afterEach(async () => {
    await node.setMemory(4);
    await yard.remove('web');
    await eventually(async () => (await yard.read('web')).status === 404);
  });

  async function running(spec: Mapping = {}): Promise<{ instance: Mapping; id: string; pod: string }> {
    const instance = await yard.declare('web', spec);
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    const id = textAt((await yard.read('web')).body, ['status', 'id']) ?? '';
    return { instance, id, pod: textAt(await yard.podOf(instance), ['metadata', 'uid']) ?? '' };
  }

  /** Bytes of a quantity in which Kubernetes may write them: `2G` is ten to the nine here. */
  function requested(pod: Mapping): number {
    const text = textAt(pod, MEMORY) ?? '0';
    const [, digits = '0', unit = ''] = /^(\d+)([kMGKi]*)$/.exec(text) ?? [];
    const factor = { '': 1, k: 1e3, M: 1e6, G: 1e9, Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 }[unit];
    return Number(digits) * (factor ?? Number.NaN);
  }

  async function overcommit(instance: Mapping): Promise<string | undefined> {
    const pod = await yard.podOf(instance);
    const { body } = await yard.read('web');
    const size = parseQuantity('size', textAt(body, ['status', 'size']) ?? '0');
    const isRunning = textAt(body, ['status', 'state']) === 'Running';
    if (!isRunning || pod === undefined || size.is !== 'bytes') return undefined;
    return requested(pod) >= size.bytes ? undefined : `${size.bytes} of ${requested(pod)}`;
  }

  test('starts larger when its placeholder is as large, on the same node with the same disk', async () => {
    const { instance, id, pod } = await running();
    await yard.merge('web', { spec: { size: '2GB' } });
    await yard.untilSaid('web', 'UpToDate', { status: 'False', reason: 'RestartRequired' });
    await yard.untilSaid('web', 'Scheduled', {
      status: 'True',
      message: /room for 2 vCPUs and 1GB, and 2 vCPUs and 2GB are declared/,
    });
    expect(textAt(await yard.podOf(instance), ['metadata', 'uid'])).toBe(pod);
    await yard.merge('web', RESTART);
    const seen: string[] = [];
    await eventually(async () => {
      seen.push((await overcommit(instance)) ?? '');
      const { body } = await yard.read('web');
      return textAt(body, ['status', 'size']) === '2GB' && textAt(body, ['status', 'state']) === 'Running';
    });
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    expect(seen.filter((one) => one !== '')).toEqual([]);
    const after = (await yard.podOf(instance)) ?? {};
    expect(textAt(after, ['metadata', 'uid'])).not.toBe(pod);
    expect(requested(after)).toBeGreaterThan(2 * 1024 ** 3);
    expect(valueAt((await yard.read('web')).body, ['status', 'id'])).toBe(id);
    expect(await yard.nodeOf(instance)).toBe(NODE);
  });

  test('waits with the words of the scheduler for what its node cannot hold, and runs when it can', async () => {
    const { instance, id } = await running();
    await yard.merge('web', { spec: { size: '8GB', updatePolicy: 'Restart' } });
    const message = '0/1 nodes are available: 1 Insufficient memory.';
    await yard.untilSaid('web', 'Scheduled', { status: 'False', reason: 'Unschedulable', message });
    await yard.untilSaid('web', 'Ready', { status: 'False', message: /Insufficient memory/ });
    expect(textAt((await yard.read('web')).body, ['status', 'state'])).toBe('Stopped');
    await node.setMemory(16);
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    const { body } = await yard.read('web');
    expect(textAt(body, ['status', 'size'])).toBe('8GB');
    expect(textAt(body, ['status', 'id'])).toBe(id);
    expect(await overcommit(instance)).toBeUndefined();
    await yard.untilSaid('web', 'Scheduled', { status: 'True' });
  });

  test('that found no room is smaller again, and runs', async () => {
    const { id } = await running();
    await yard.merge('web', { spec: { size: '8GB', updatePolicy: 'Restart' } });
    await yard.untilSaid('web', 'Scheduled', { reason: 'Unschedulable' });
    await yard.merge('web', { spec: { size: '1GB' } });
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    expect(textAt((await yard.read('web')).body, ['status', 'id'])).toBe(id);
  });

  test('comes back from its standby as large as it was, and so is its placeholder', async () => {
    const { instance } = await running({ size: '2GB' });
    await yard.merge('web', { spec: { state: 'Standby' } });
    await yard.untilSaid('web', 'Ready', { status: 'True', reason: 'Standby' });
    await eventually(async () => (await yard.podOf(instance)) === undefined);
    await yard.merge('web', { spec: { state: 'Running', size: '1GB' } });
    await yard.untilSaid('web', 'Running', { status: 'True' });
    expect(await overcommit(instance)).toBeUndefined();
    expect(requested((await yard.podOf(instance)) ?? {})).toBeGreaterThan(2 * 1024 ** 3);
  });

  test('that was evicted to standby says why it is not back', async () => {
    const { instance } = await running({ evictionPolicy: 'Standby' });
    await node.patch({ spec: { unschedulable: true } });
    const name = textAt(await yard.podOf(instance), ['metadata', 'name']) ?? '';
    const path = `/api/v1/namespaces/${yard.namespace}/pods/${name}`;
    await must(plane.admin, { method: 'DELETE', path });
    await yard.untilSaid('web', 'Scheduled', {
      status: 'False',
      reason: 'Unschedulable',
      message: /unschedulable/,
    });
    await yard.untilSaid('web', 'Ready', { reason: 'Evicted', message: /the scheduler: 0\/1 nodes/ });
    await sleep(200);
    await node.patch({ spec: { unschedulable: null } });
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    await yard.untilSaid('web', 'Scheduled', { status: 'True' });
  });
});
