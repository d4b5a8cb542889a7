import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, installCrd, makeYard } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`the controller on an API server ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let node: FakeNode;
  let agent: FakeAgent;
  let nodes = 0;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
    node = await openFakeNode();
    nodes += 1;
    agent = await startFakeAgent(plane, node, { nodeName: nodeName() });
  });
  afterEach(async () => {
    await agent.close();
    await node.close();
  });
  afterAll(async () => {
    await plane.close();
  });

  // Each test has a node of its own: what an earlier one left behind is not its business.
  const nodeName = (): string => `node-${nodes}`;
  async function create(name: string, spec: Mapping = {}): Promise<void> {
    await yard.create(name, { nodeName: nodeName(), ...spec });
  }
  async function condition(name: string, type: string): Promise<string> {
    const conditions = listOf(valueAt((await yard.read(name)).body, ['status', 'conditions']));
    const found = conditions.find((one) => textAt(one, ['type']) === type);
    return `${textAt(found, ['status']) ?? 'absent'} ${textAt(found, ['reason']) ?? ''}`;
  }
  async function isReady(name: string, generation: number): Promise<void> {
    await eventually(async () => {
      const { body } = await yard.read(name);
      const observed = valueAt(body, ['status', 'observedGeneration']);
      const ready = await condition(name, 'Ready');
      return (observed === generation && ready.startsWith('True')) || [observed, ready];
    });
  }
  function requests(): number {
    return [...agent.answers.values()].reduce((sum, count) => sum + count, 0);
  }
  const idOf = async (name: string): Promise<string> =>
    textAt((await yard.read(name)).body, ['status', 'id']) ?? 'none';

  test('an Instance comes up with few requests, an edit costs one or two, and rest costs none', async () => {
    await create('web');
    await isReady('web', 1);
    await agent.controller.settled();
    await sleep(500);
    const created = requests();
    await yard.merge('web', { metadata: { annotations: { note: 'nothing that matters' } } });
    await yard.merge('web', { spec: { tags: { a: 'b' } } });
    await isReady('web', 2);
    await sleep(500);
    const edited = requests() - created;
    await sleep(2_000);
    expect(requests() - created - edited).toBe(0);
    // Six lists and six watches; then the claim, the first status, the last, and three Events.
    expect(created).toBeLessThanOrEqual(12 + 6);
    expect(edited).toBeLessThanOrEqual(2);
    const reasons = (await yard.events()).map(({ reason }) => reason);
    expect(reasons).toContain('ProgramStarted');
  });

  test('a deleted Instance is taken down before the server lets it go', async () => {
    await create('web');
    await isReady('web', 1);
    await yard.remove('web');
    await eventually(async () => (await yard.read('web')).status === 404);
    expect(node.workshops.storage.records()).toEqual([]);
  });

  test('an agent that is replaced disturbs nothing and writes nothing', async () => {
    await create('web');
    await isReady('web', 1);
    const before = (await yard.read('web')).body;
    await agent.close();
    agent = await startFakeAgent(plane, node, { nodeName: nodeName() });
    await agent.controller.settled();
    const after = (await yard.read('web')).body;
    expect(valueAt(after, ['metadata', 'resourceVersion'])).toBe(
      valueAt(before, ['metadata', 'resourceVersion']),
    );
    expect(agent.answers.get('PATCH 200')).toBeUndefined();
  });

  test('what was deleted while no agent ran is taken down by the next', async () => {
    await create('web');
    await create('forced');
    await isReady('web', 1);
    await isReady('forced', 1);
    await agent.close();
    await yard.remove('web');
    await yard.remove('forced');
    await yard.merge('forced', { metadata: { finalizers: null } });
    agent = await startFakeAgent(plane, node, { nodeName: nodeName() });
    await eventually(async () => (await yard.read('web')).status === 404);
    await eventually(() => node.workshops.storage.records().length === 0);
  });

  test('a Secret that is missing is a condition, and heals', async () => {
    await create('web', { envFrom: [{ secretRef: { name: 'later' } }] });
    await eventually(async () => {
      const ready = await condition('web', 'Ready');
      return ready === 'False SecretNotFound' || ready;
    });
    await yard.putSecret('later', { TOKEN: 'x' });
    await isReady('web', 1);
  });

  test('an invalid edit stalls with its reason, and the machine runs on', async () => {
    await create('web');
    await isReady('web', 1);
    const id = await idOf('web');
    await yard.merge('web', { spec: { forkFrom: { instance: 'base' } } });
    await eventually(async () => {
      const stalled = await condition('web', 'Stalled');
      return stalled === 'True Invalid' || stalled;
    });
    expect(valueAt((await yard.read('web')).body, ['status', 'observedGeneration'])).toBe(2);
    expect(await condition('web', 'Running')).toMatch(/^True/);
    await yard.merge('web', { spec: { forkFrom: null } });
    await isReady('web', 3);
    expect(await idOf('web')).toBe(id);
  });

  test('what is edited and deleted while the server comes and goes converges', async () => {
    for (const name of ['edited', 'deleted', 'left']) await create(name);
    for (const name of ['edited', 'deleted', 'left']) await isReady(name, 1);
    await yard.merge('edited', { spec: { state: 'Stopped' } });
    await yard.remove('deleted');
    await plane.stopApiServer();
    await sleep(1_000);
    await plane.startApiServer();
    await eventually(async () => (await yard.read('deleted')).status === 404);
    await isReady('edited', 2);
    expect(await condition('left', 'Ready')).toMatch(/^True/);
  });
});
