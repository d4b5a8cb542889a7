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
import { startFlakyProxy } from '../support/cluster-proxy.ts';
import { allowAgent } from '../support/cluster-rights.ts';
import { eventually, installCrd, makeYard } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';
import { placedInstances } from '../support/placed-instances.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`placement as a node sees it ${missing ?? ''}`, () => {
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
  async function leaves(name: string): Promise<void> {
    await eventually(async () => (await holderOf(name)) === undefined || holderOf(name));
    expect(valueAt(await read(name), ['metadata', 'finalizers'])).toBeUndefined();
    expect(valueAt(await read(name), ['metadata', 'labels', 'hypeman.dev/node'])).toBeUndefined();
  }

  test('an Instance whose Pod is bound here is taken and started, and says where it is', async () => {
    await runs('web');
    await says('web', 'Scheduled', 'True Scheduled');
    expect(valueAt(await read('web'), ['metadata', 'labels', 'hypeman.dev/node'])).toBe(first.name);
  });

  test('a Pod that is bound to another node, or stands for another Instance, brings nothing here', async () => {
    await create('elsewhere');
    await scheduler.place('elsewhere', 'node-x');
    await create('forged');
    await scheduler.place('forged', first.name, {
      'hypeman.dev/instance-uid': '00000000-0000-0000-0000-000000000000',
    });
    await runs('web');
    expect(first.keys()).toEqual([yard.key('web')]);
    expect(await holderOf('forged')).toBeUndefined();
  });

  test('a drained node stops its instance, lets its Pod and it go, and another may have it', async () => {
    const second = await joinNode(plane);
    others.push(second);
    const pod = await runs('web');
    await plane.kubectl('1.20', 'drain', first.name, '--ignore-daemonsets', '--timeout=30s');
    expect(await scheduler.pod(pod)).toBeUndefined();
    await leaves('web');
    expect(first.keys()).toEqual([]);
    expect(conditionIn(await read('web'), 'Scheduled')).toBe('False Evicted');
    await scheduler.place('web', second.name);
    await says('web', 'Ready', 'True ProgramRunning');
    expect(second.keys()).toEqual([yard.key('web')]);
  });

  test('with Standby it is kept where it is, with its memory, and goes on with the next Pod', async () => {
    const pod = await runs('web', { evictionPolicy: 'Standby' });
    const { id, startedAt } = (await read('web')).status as Record<string, unknown>;
    await plane.kubectl('1.20', 'drain', first.name, '--ignore-daemonsets', '--timeout=30s');
    expect(await scheduler.pod(pod)).toBeUndefined();
    await stateIs('web', 'Standby');
    await says('web', 'Ready', 'False Evicted');
    expect(await holderOf('web')).toMatch(new RegExp(`^${first.name} `));
    await first.replaceAgent();
    await sleep(500);
    await stateIs('web', 'Standby');
    await scheduler.place('web', first.name);
    await says('web', 'Ready', 'True ProgramRunning');
    expect((await read('web')).status).toMatchObject({ id, startedAt });
    await says('web', 'Scheduled', 'True Scheduled');
  });

  test('where no memory can be kept, Standby stops it and keeps its disk', async () => {
    const plain = await joinNode(plane, { standby: false });
    others.push(plain);
    await create('web', { evictionPolicy: 'Standby' });
    const pod = await scheduler.place('web', plain.name);
    await says('web', 'Ready', 'True ProgramRunning');
    await scheduler.remove(pod);
    await podGoes(pod);
    await stateIs('web', 'Stopped');
    expect(plain.keys()).toEqual([yard.key('web')]);
    await scheduler.place('web', plain.name);
    await says('web', 'Ready', 'True ProgramRunning');
  });

  test('a Pod that is gone without a warning is an eviction, also while no agent runs', async () => {
    const [pod, unseen] = [await runs('web'), await runs('unseen')];
    await scheduler.dropFinalizers(pod);
    await scheduler.remove(pod);
    await leaves('web');
    await first.agent.close();
    await scheduler.dropFinalizers(unseen);
    await scheduler.remove(unseen);
    await first.replaceAgent();
    await leaves('unseen');
    expect(first.keys()).toEqual([]);
  });

  test('a Pod whose label somebody took off evicts nobody', async () => {
    const pod = await runs('web');
    await plane.kubectl('1.32', 'label', 'pod', '-n', yard.namespace, pod, 'hypeman.dev/placeholder-');
    await sleep(1_000);
    expect(conditionIn(await read('web'), 'Ready')).toBe('True ProgramRunning');
    await scheduler.remove(pod);
    await podGoes(pod);
    await leaves('web');
  });

  test('one that was stopped by its spec gives up its Pod, keeps its disk, and runs with the next', async () => {
    const pod = await runs('web');
    const id = valueAt(await read('web'), ['status', 'id']);
    await yard.merge('web', { spec: { state: 'Stopped' } });
    await stateIs('web', 'Stopped');
    await scheduler.remove(pod);
    await podGoes(pod);
    await says('web', 'Ready', 'True Stopped');
    await yard.merge('web', { spec: { state: 'Running' } });
    await says('web', 'Ready', 'False Evicted');
    await scheduler.place('web', first.name);
    await says('web', 'Ready', 'True ProgramRunning');
    expect(valueAt(await read('web'), ['status', 'id'])).toBe(id);
  });

  test('an Instance that is deleted while it is evicted is gone, and its Pod with it', async () => {
    const pod = await runs('web', { evictionPolicy: 'Standby' });
    const stopped = await runs('stopped');
    await scheduler.remove(pod);
    await yard.remove('web');
    await yard.remove('stopped');
    await scheduler.remove(stopped);
    for (const name of ['web', 'stopped'])
      await eventually(async () => (await yard.read(name)).status === 404);
    await podGoes(pod);
    await podGoes(stopped);
    await eventually(() => first.keys().length === 0);
  });

  test('one that names its node needs no Pod, and loses nothing with one', async () => {
    await yard.create('web', { nodeName: first.name });
    await says('web', 'Ready', 'True ProgramRunning');
    const pod = await scheduler.place('web', first.name);
    await scheduler.remove(pod);
    await podGoes(pod);
    await sleep(500);
    expect(conditionIn(await read('web'), 'Ready')).toBe('True ProgramRunning');
  });

  test('a placed instance at rest asks for nothing', async () => {
    await runs('web', { evictionPolicy: 'Standby' });
    const pod = await runs('waiting', { evictionPolicy: 'Standby' });
    await scheduler.remove(pod);
    await podGoes(pod);
    await says('waiting', 'Ready', 'False Evicted');
    await first.agent.controller.settled();
    await sleep(1_000);
    const before = [...first.agent.answers];
    await sleep(3_000);
    expect([...first.agent.answers]).toEqual(before);
  });

  describe.each(['Stop', 'Standby'])('an agent that is killed during an eviction (%s)', (evictionPolicy) => {
    test.each([0, 1, 2, 3, 4, 5])('after %i writes is followed by one that ends it', async (writes) => {
      const proxy = await startFlakyProxy(plane.port);
      let left = Number.POSITIVE_INFINITY;
      await first.replaceAgent({
        port: proxy.port,
        answerMs: 500,
        onAnswer: (method) => {
          if (method !== 'PATCH') return;
          left -= 1;
          if (left <= 0) proxy.stall();
        },
      });
      const pod = await runs('web', { evictionPolicy });
      await first.agent.controller.settled();
      await sleep(600);
      left = writes;
      if (writes === 0) proxy.stall();
      await scheduler.remove(pod);
      await sleep(1_000);
      await proxy.close();
      await first.replaceAgent();
      await podGoes(pod);
      if (evictionPolicy === 'Stop') await leaves('web');
      else await stateIs('web', 'Standby');
      await scheduler.place('web', first.name);
      await says('web', 'Ready', 'True ProgramRunning');
      expect(first.keys()).toEqual([yard.key('web')]);
    });
  });
});
