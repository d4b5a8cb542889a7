import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { withStandby } from '../support/cluster-placed-nodes.ts';
import { addPaperNode, makeSystem, startWorker } from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { NODE, eventually, installCrd, must } from '../support/cluster-stage.ts';
import { makePlacementYard } from '../support/placement-yard.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement and an agent ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let worker: Worker;
  let node: PaperNode;
  let host: FakeNode;
  let agent: FakeAgent;
  /** What placement wrote, Leases aside. */
  const asked: string[] = [];

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    node = await addPaperNode(plane.admin, NODE);
    const around =
      (ask: ApiServer['ask']): ApiServer['ask'] =>
      (request) => {
        const path = request.path.replace(/\?.*/, '').split('/').slice(-2)[0] ?? '';
        if (request.method !== 'GET' && !request.path.includes('/leases'))
          asked.push(`${request.method} ${path}`);
        return ask(request);
      };
    worker = await startWorker(plane, { around });
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

  test('from a declaration to a machine that runs, through a drain, a stop and the end', async () => {
    const yard = await makePlacementYard(plane.admin);
    const instance = await yard.declare('web');
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    expect(await yard.nodeOf(instance)).toBe(NODE);
    expect(valueAt((await yard.read('web')).body, ['status', 'nodeName'])).toBe(NODE);

    const drained = textAt(await yard.podOf(instance), ['metadata', 'uid']);
    const path = `/api/v1/namespaces/${yard.namespace}/pods/${textAt(await yard.podOf(instance), ['metadata', 'name']) ?? ''}`;
    await must(plane.admin, { method: 'DELETE', path });
    await eventually(async () => {
      const uid = textAt(await yard.podOf(instance), ['metadata', 'uid']);
      return uid !== undefined && uid !== drained;
    });
    await yard.untilSaid('web', 'Running', { status: 'True' });
    await yard.untilOn(instance, NODE);

    await yard.merge('web', { spec: { state: 'Stopped' } });
    await eventually(
      async () => (await yard.podOf(instance)) === undefined || (await yard.read('web')).body.status,
    );
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    await yard.merge('web', { spec: { state: 'Running' } });
    await yard.untilSaid('web', 'Running', { status: 'True' });
    await yard.untilOn(instance, NODE);

    await yard.remove('web');
    await eventually(async () => (await yard.read('web')).status === 404);
    await eventually(async () => (await yard.podOf(instance)) === undefined);
  });

  test('what is stopped gets room for the machine whose memory its standby is, and gives it back', async () => {
    const yard = await makePlacementYard(plane.admin);
    const instance = await yard.declare('web', { state: 'Stopped' });
    const restsAs = async (state: string): Promise<void> => {
      await yard.untilSaid('web', 'Ready', { status: 'True', reason: state });
      await eventually(async () => (await yard.podOf(instance)) === undefined);
    };
    await restsAs('Stopped');
    await yard.merge('web', { spec: { state: 'Standby' } });
    await restsAs('Standby');
    expect(valueAt((await yard.read('web')).body, ['status', 'state'])).toBe('Standby');
    await yard.remove('web');
    await eventually(async () => (await yard.read('web')).status === 404);
  });

  function written(): number {
    return [...agent.answers]
      .filter(([name]) => /^(POST|PATCH|PUT|DELETE)/.test(name))
      .reduce((sum, [, count]) => sum + count, 0);
  }

  test('a start takes two requests of placement, and six of the agent at most', async () => {
    const yard = await makePlacementYard(plane.admin);
    const [ofPlacement, ofAgent] = [asked.length, written()];
    const instance = await yard.declare('web');
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const mine = asked.slice(ofPlacement);
    expect(mine.slice(0, 2)).toEqual([`POST ${yard.namespace}`, 'PATCH instances']);
    expect(mine.length).toBeLessThanOrEqual(3);
    expect(written() - ofAgent).toBeLessThanOrEqual(6);
    await yard.remove('web');
    await eventually(async () => (await yard.podOf(instance)) === undefined);
  });

  /** As whoever may create and delete Pods and nothing else would: the likeness of a placeholder, on a node of his. */
  async function forge(pod: Mapping): Promise<string> {
    const { name, namespace, labels, annotations, ownerReferences } = mappingOf(pod.metadata);
    const pods = `/api/v1/namespaces/${String(namespace)}/pods`;
    const path = `${pods}/${String(name)}`;
    const body = {
      metadata: { name, labels, annotations, ownerReferences },
      spec: { nodeName: NODE, containers: [{ name: 'holder', image: 'example.com/holder' }] },
    };
    let uid: string | undefined;
    await eventually(async () => {
      const patch = 'application/merge-patch+json';
      await plane.admin.ask({ method: 'PATCH', path, patch, body: { metadata: { finalizers: null } } });
      await plane.admin.ask({ method: 'DELETE', path, body: { gracePeriodSeconds: 0 } });
      const answer = await plane.admin.ask({ method: 'POST', path: pods, body });
      uid = textAt(answer.body, ['metadata', 'uid']);
      return answer.status === 201 || answer.body;
    });
    return uid ?? '';
  }

  test('a Pod in the likeness of a placeholder brings an Instance to no node', async () => {
    const yard = await makePlacementYard(plane.admin);
    const instance = await yard.declare('web', { nodeSelector: { no: 'where' } });
    await yard.untilSaid('web', 'Scheduled', { reason: 'Unschedulable' });
    const forged = await forge((await yard.podOf(instance)) ?? {});
    await eventually(async () => {
      const pod = await yard.podOf(instance);
      return pod !== undefined && textAt(pod, ['metadata', 'uid']) !== forged;
    });
    await yard.untilSaid('web', 'Scheduled', { reason: 'Unschedulable' });
    const { body } = await yard.read('web');
    expect(valueAt(body, ['metadata', 'annotations'])).not.toHaveProperty(['hypeman.dev/held-by']);
    expect(host.workshops.storage.records()).toEqual([]);
    await yard.remove('web');
    await eventually(async () => (await yard.podOf(instance)) === undefined);
  });

  test('marks that were wiped off disturb no machine: its Pod stays, and is noted again', async () => {
    const yard = await makePlacementYard(plane.admin);
    const instance = await yard.declare('web');
    await yard.untilSaid('web', 'Ready', { status: 'True' });
    const before = textAt(await yard.podOf(instance), ['metadata', 'uid']);
    const startedAt = textAt((await yard.read('web')).body, ['status', 'startedAt']);
    // As `kubectl replace` does with a file that has none.
    await yard.merge('web', { metadata: { annotations: null, labels: null, finalizers: null } });
    await eventually(async () => {
      const { body } = await yard.read('web');
      return textAt(body, ['metadata', 'annotations', 'hypeman.dev/held-by'])?.endsWith(` ${before ?? ''}`);
    });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(textAt(await yard.podOf(instance), ['metadata', 'uid'])).toBe(before);
    expect(valueAt(await yard.podOf(instance), ['metadata'])).not.toHaveProperty('deletionTimestamp');
    const { body } = await yard.read('web');
    expect(textAt(body, ['status', 'state'])).toBe('Running');
    expect(textAt(body, ['status', 'startedAt'])).toBe(startedAt);
    await yard.remove('web');
    await eventually(async () => (await yard.podOf(instance)) === undefined);
  });
});
