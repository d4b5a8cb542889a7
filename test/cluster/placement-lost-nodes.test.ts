import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import { AGENT_LEASES } from '../../src/sources/kubernetes/placement/placeholder-words.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { addPaperNode, makeSystem, startWorker } from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { eventually, installCrd, must } from '../support/cluster-stage.ts';
import { agentStatus, makePlacementYard } from '../support/placement-yard.ts';
import type { PlacementYard } from '../support/placement-yard.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement and nodes that are lost ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let worker: Worker;
  let yard: PlacementYard;
  let nodes: PaperNode[] = [];
  const clock = { aheadMs: 0 };

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    worker = await startWorker(plane, { now: () => Date.now() + clock.aheadMs });
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

  test('a node that is not heard of keeps its Instances, until somebody says that it is out of service', async () => {
    const [dying] = [await node('dying'), await node('other', { hasAgent: false })];
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'dying');
    await yard.take(instance, 'dying');
    await node('heir');
    dying.fallSilent();
    clock.aheadMs += 60_000;
    await yard.untilSaid('web', 'Ready', { status: 'Unknown', reason: /Unreachable$/ });
    expect(await yard.nodeOf(instance)).toBe('dying');
    await dying.patch({
      spec: {
        taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute', value: 'nodeshutdown' }],
      },
    });
    await yard.untilOn(instance, 'heir');
    const { body } = await yard.read('web');
    expect(valueAt(body, ['metadata', 'annotations'])).not.toHaveProperty(['hypeman.dev/held-by']);
    expect(valueAt(body, ['metadata', 'finalizers'])).toBeUndefined();
    expect(mappingOf(body.status).state).toBeUndefined();
  });

  test('an Instance on a node that was removed is placed anew', async () => {
    const old = await node('old');
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'old');
    await yard.take(instance, 'old');
    await node('new');
    old.fallSilent();
    clock.aheadMs += 60_000;
    const lease = `${AGENT_LEASES}/old`;
    await must(plane.admin, { method: 'GET', path: lease });
    await old.remove();
    await yard.untilOn(instance, 'new');
    await eventually(async () => (await plane.admin.ask({ method: 'GET', path: lease })).status === 404);
    await must(plane.admin, { method: 'GET', path: `${AGENT_LEASES}/new` });
  });

  test('one that was replaced by a file without our marks is still on the node that is not heard of', async () => {
    const old = await node('old');
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'old');
    await yard.take(instance, 'old', { ...agentStatus('Running'), nodeName: 'old' });
    await node('new');
    old.fallSilent();
    clock.aheadMs += 60_000;
    await yard.merge('web', { metadata: { labels: null, annotations: null, finalizers: null } });
    await yard.untilSaid('web', 'Ready', { status: 'Unknown', reason: 'AgentUnreachable' });
    await sleep(2_000);
    expect(await yard.nodeOf(instance)).toBe('old');
    await old.remove();
    await yard.untilOn(instance, 'new');
    expect(valueAt((await yard.read('web')).body, ['status', 'nodeName'])).toBeUndefined();
  });

  test('one whose Node alone was removed stays for as long as its agent is heard', async () => {
    const old = await node('old');
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'old');
    await yard.take(instance, 'old');
    await node('new');
    await plane.kubectl('1.32', 'delete', 'node', 'old');
    await sleep(2_000);
    const { body } = await yard.read('web');
    expect(textAt(body, ['metadata', 'annotations', 'hypeman.dev/held-by'])).toMatch(/^old /);
    old.fallSilent();
    clock.aheadMs += 60_000;
    // Whatever changes next has it looked at: the clock of alarms is not ahead.
    await yard.merge('web', { metadata: { labels: { seen: 'yes' } } });
    await yard.untilOn(instance, 'new');
  });
});
