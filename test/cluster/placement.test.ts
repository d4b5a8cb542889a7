import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOf, mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { placeholderNameFor } from '../../src/sources/kubernetes/placement/placeholder-words.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { addPaperNode, makeSystem, startWorker, takeAsAgent } from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { eventually, installCrd, makeYard, must } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement by the scheduler ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let worker: Worker;
  let yard: Yard;

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

  async function declare(name: string, spec: Mapping = {}): Promise<Mapping> {
    return yard.create(name, { nodeName: undefined, size: '1GB', ...spec });
  }
  async function podOf(instance: Mapping): Promise<Mapping | undefined> {
    const [name = '', uid = ''] = ['name', 'uid'].map((field) => textAt(instance, ['metadata', field]));
    const path = `/api/v1/namespaces/${yard.namespace}/pods/${placeholderNameFor(name, uid)}`;
    const { status, body } = await plane.admin.ask({ method: 'GET', path });
    return status === 200 ? body : undefined;
  }
  async function nodeOf(instance: Mapping): Promise<string | undefined> {
    return textAt(await podOf(instance), ['spec', 'nodeName']);
  }
  async function condition(name: string, type: string): Promise<Mapping> {
    const { body } = await yard.read(name);
    return mappingOf(
      listOf(valueAt(body, ['status', 'conditions'])).find((each) => textAt(each, ['type']) === type),
    );
  }

  test('an Instance is bound to a node that has room, with its own wishes', async () => {
    yard = await makeYard(plane.admin);
    const node = await addPaperNode(plane.admin, 'node-1');
    const instance = await declare('web', { nodeSelector: { disk: 'ssd' } });
    await eventually(
      async () =>
        (await condition('web', 'Scheduled')).reason === 'Unschedulable' ||
        (await yard.read('web')).body.status,
    );
    expect((await condition('web', 'Scheduled')).message).toContain("didn't match");
    await node.patch({ metadata: { labels: { disk: 'ssd' } } });
    await eventually(async () => (await nodeOf(instance)) === 'node-1' || worker.lines);
    await node.remove();
  });
});
