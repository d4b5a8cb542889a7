import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { joinNode } from '../support/cluster-placed-nodes.ts';
import type { PlacedNode } from '../support/cluster-placed-nodes.ts';
import { conditionIn, schedulerOf } from '../support/cluster-placement.ts';
import type { Scheduler } from '../support/cluster-placement.ts';
import { allowAgent } from '../support/cluster-rights.ts';
import { eventually, installCrd, makeYard } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';
import { placedInstances } from '../support/placed-instances.ts';

const missing = controlPlaneMissing();
const DRAIN = ['--ignore-daemonsets', '--timeout=30s'];

describe.skipIf(missing !== undefined)(`by what right an Instance stays on a node ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let scheduler: Scheduler;
  let first: PlacedNode;
  const others: PlacedNode[] = [];

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    await allowAgent(plane.admin);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
    scheduler = schedulerOf(plane.admin, yard);
    first = await joinNode(plane);
  });
  afterEach(async () => {
    for (const node of [first, ...others.splice(0)]) await node.close();
  });
  afterAll(() => plane.close());

  const { create, read, says, stateIs, holderOf, podGoes, runOn } = placedInstances(() => ({
    yard,
    scheduler,
  }));
  const runs = (name: string, spec: Mapping = {}): Promise<string> => runOn(first.name, name, spec);
  async function isHeldBy(name: string, node: string): Promise<void> {
    await eventually(async () => (await holderOf(name))?.startsWith(`${node} `) === true || holderOf(name));
  }
  const idOf = async (name: string): Promise<unknown> => valueAt(await read(name), ['status', 'id']);
  async function restart(name: string, at: string | null): Promise<void> {
    await yard.merge(name, { metadata: { annotations: { 'hypeman.dev/restartedAt': at } } });
  }

  test('a spec that no agent has read well holds up no drain, and is heard once it is mended', async () => {
    const pod = await runs('web');
    await first.agent.close();
    await yard.merge('web', { spec: { forkFrom: { instance: 'base' } } });
    await first.replaceAgent();
    await says('web', 'Stalled', 'True Invalid');
    expect(valueAt(await read('web'), ['status', 'state'])).toBe('Running');
    await plane.kubectl('1.20', 'drain', first.name, ...DRAIN);
    expect(await scheduler.pod(pod)).toBeUndefined();
    await says('web', 'Stalled', 'True Invalid');
    await stateIs('web', 'Stopped');
    await says('web', 'Scheduled', 'False Evicted');
    await isHeldBy('web', first.name);
    await yard.merge('web', { spec: { forkFrom: null } });
    await eventually(async () => (await holderOf('web')) === undefined || holderOf('web'));
    expect(first.keys()).toEqual([]);
  });

  test('nor does one that was never begun here', async () => {
    await create('web', { forkFrom: { instance: 'base' } });
    const pod = await scheduler.place('web', first.name);
    await says('web', 'Stalled', 'True Invalid');
    await isHeldBy('web', first.name);
    await plane.kubectl('1.20', 'drain', first.name, ...DRAIN);
    expect(await scheduler.pod(pod)).toBeUndefined();
  });

  test('what was deleted and made anew while no agent ran inherits nothing, and nothing of the first is left', async () => {
    const pod = await runs('web');
    await first.agent.close();
    await yard.remove('web');
    await yard.merge('web', { metadata: { finalizers: null } });
    await create('web');
    await first.replaceAgent();
    await eventually(() => first.keys().length === 0 || first.keys());
    // The first one's Pod goes with it, and is let go here.
    await podGoes(pod);
    expect(await holderOf('web')).toBeUndefined();
    await scheduler.place('web', first.name);
    await says('web', 'Ready', 'True ProgramRunning');
  });

  test('a fork that is evicted keeps its disks when its source is gone, and starts again with its Pod', async () => {
    await runs('base');
    await yard.merge('base', { spec: { state: 'Stopped' } });
    await says('base', 'Ready', 'True Stopped');
    const forkOf = { image: null, forkFrom: { instance: 'base' }, state: 'Running' };
    const pods = [await runs('made', forkOf), await runs('orphan', forkOf)];
    const id = await idOf('orphan');
    await scheduler.remove(pods[0] ?? '');
    await podGoes(pods[0] ?? '');
    expect(await holderOf('made')).toBeUndefined();
    await yard.remove('base');
    await eventually(async () => (await yard.read('base')).status === 404);
    await scheduler.remove(pods[1] ?? '');
    await podGoes(pods[1] ?? '');
    await isHeldBy('orphan', first.name);
    await stateIs('orphan', 'Stopped');
    await says('orphan', 'Scheduled', 'False Evicted');
    await scheduler.place('orphan', first.name);
    await says('orphan', 'Ready', 'True ProgramRunning');
    expect(await idOf('orphan')).toBe(id);
  });

  test('an edit of nodeName is told, and done as its policy or its next start allow', async () => {
    const second = await joinNode(plane);
    others.push(second);
    for (const name of ['held', 'moved', 'stopped']) {
      await yard.create(name, { nodeName: first.name });
      await says(name, 'Ready', 'True ProgramRunning');
      await yard.merge(name, { spec: { nodeName: second.name } });
      await says(name, 'UpToDate', 'False RecreateRequired');
    }
    await yard.merge('moved', { spec: { updatePolicy: 'Recreate' } });
    await yard.merge('stopped', { spec: { state: 'Stopped' } });
    await says('stopped', 'Ready', 'True Stopped');
    await yard.merge('stopped', { spec: { state: 'Running' } });
    // It has no need of one, and so holds none up.
    const pod = await scheduler.place('held', first.name);
    await scheduler.remove(pod);
    await podGoes(pod);
    for (const name of ['moved', 'stopped']) {
      await isHeldBy(name, second.name);
      await says(name, 'Ready', 'True ProgramRunning');
    }
    expect(first.keys()).toEqual([yard.key('held')]);
    expect(conditionIn(await read('held'), 'Ready')).toBe('True ProgramRunning');
    await yard.merge('held', { spec: { nodeName: first.name } });
    await says('held', 'UpToDate', 'True UpToDate');
  });

  test('a program that ended is started again by an edit only where a Pod is bound', async () => {
    const pod = await runs('job', { restartPolicy: 'Never' });
    const [record] = first.node.workshops.storage.records();
    if (record === undefined) throw new Error('it runs');
    first.node.workshops.links.shutdown(record.identity.id, 0);
    await says('job', 'Ready', 'False Exited');
    await scheduler.remove(pod);
    await podGoes(pod);
    const { startedAt } = (await read('job')).status as Mapping;
    await restart('job', 'now');
    await says('job', 'Ready', 'False Evicted');
    await sleep(500);
    expect((await read('job')).status).toMatchObject({ state: 'Stopped', startedAt });
    await restart('job', null);
    await says('job', 'Ready', 'False Exited');
    await restart('job', 'again');
    await says('job', 'Ready', 'False Evicted');
    await scheduler.place('job', first.name);
    await says('job', 'Ready', 'True ProgramRunning');
  });
});
