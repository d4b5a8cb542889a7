import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { conditionIn, schedulerOf } from '../support/cluster-placement.ts';
import type { Scheduler } from '../support/cluster-placement.ts';
import { allowAgent } from '../support/cluster-rights.ts';
import { eventually, installCrd, makeYard, must } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement as a node sees it ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let scheduler: Scheduler;
  const open: { node: FakeNode; agent: FakeAgent; name: string }[] = [];
  let nodes = 0;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    await allowAgent(plane.admin);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
    scheduler = schedulerOf(plane.admin, yard);
  });
  afterEach(async () => {
    for (const { node, agent } of open.splice(0)) {
      await agent.close();
      await node.close();
    }
  });
  afterAll(async () => {
    await plane.close();
  });

  /** A node of the test's own, and its agent with no more rights than it is given. */
  async function join(): Promise<{ node: FakeNode; agent: FakeAgent; name: string }> {
    nodes += 1;
    const name = `node-${nodes}`;
    await must(plane.admin, { method: 'POST', path: '/api/v1/nodes', body: { metadata: { name } } });
    const node = await openFakeNode();
    const agent = await startFakeAgent(plane, node, { nodeName: name, user: 'agent' });
    const joined = { node, agent, name };
    open.push(joined);
    return joined;
  }
  const create = (name: string, spec: Mapping = {}): Promise<Mapping> =>
    yard.create(name, { nodeName: undefined, ...spec });
  const read = async (name: string): Promise<Mapping> => (await yard.read(name)).body;
  async function isSo(name: string, type: string, words: string): Promise<void> {
    await eventually(async () => {
      const found = conditionIn(await read(name), type);
      return found === words || [found, valueAt(await read(name), ['status'])];
    });
  }
  const keysOn = ({ node }: { node: FakeNode }): readonly string[] =>
    node.workshops.storage.records().map(({ key }) => key);

  test('an Instance whose Pod is bound here is taken and started, and says where it is', async () => {
    const { name } = await join();
    await create('web');
    await scheduler.place('web', name);
    await isSo('web', 'Ready', 'True ProgramRunning');
    await isSo('web', 'Scheduled', 'True Scheduled');
    expect(valueAt(await read('web'), ['metadata', 'labels', 'hypeman.dev/node'])).toBe(name);
  });

  test('a drained node stops its instance, lets its Pod and it go, and another may have it', async () => {
    const [first, second] = [await join(), await join()];
    await create('web');
    const pod = await scheduler.place('web', first.name);
    await isSo('web', 'Ready', 'True ProgramRunning');
    await plane.kubectl('1.20', 'drain', first.name, '--ignore-daemonsets', '--timeout=30s');
    expect(await scheduler.pod(pod)).toBeUndefined();
    await eventually(async () => {
      const { metadata } = await read('web');
      return valueAt(metadata, ['finalizers']) === undefined || metadata;
    });
    expect(keysOn(first)).toEqual([]);
    expect(valueAt(await read('web'), ['metadata', 'annotations'])).toBeUndefined();
    expect(conditionIn(await read('web'), 'Scheduled')).toBe('False Evicted');
    await scheduler.place('web', second.name);
    await isSo('web', 'Ready', 'True ProgramRunning');
    expect(keysOn(second)).toEqual([yard.key('web')]);
  });
});
