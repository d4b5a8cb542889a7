import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { HypemanError } from '../../src/errors.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { startFlakyProxy } from '../support/cluster-proxy.ts';
import {
  QUICK_LEASE,
  SYSTEM,
  addPaperNode,
  allowPlacement,
  makeSystem,
  startWorker,
} from '../support/cluster-scheduling.ts';
import type { PaperNode, Worker } from '../support/cluster-scheduling.ts';
import { eventually, installCrd, must } from '../support/cluster-stage.ts';
import { agentStatus, makePlacementYard } from '../support/placement-yard.ts';
import type { PlacementYard } from '../support/placement-yard.ts';

const missing = controlPlaneMissing();
const LEASE = `/apis/coordination.k8s.io/v1/namespaces/${SYSTEM}/leases/hypeman-placement`;

describe.skipIf(missing !== undefined)(`workers of placement ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: PlacementYard;
  let node: PaperNode;
  let workers: Worker[] = [];

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    await allowPlacement(plane.admin);
    node = await addPaperNode(plane.admin, 'one', { memoryGib: 64 });
  });
  afterAll(async () => {
    await node.remove();
    await plane.close();
  });
  beforeEach(async () => {
    yard = await makePlacementYard(plane.admin);
  });
  afterEach(async () => {
    if (!workers.some((worker) => worker.isAtWork())) await work();
    await yard.clear();
    await Promise.all(workers.map((worker) => worker.close()));
    workers = [];
  });

  async function work(options: Parameters<typeof startWorker>[1] = {}): Promise<Worker> {
    const worker = await startWorker(plane, { user: 'agent', ...options });
    workers.push(worker);
    return worker;
  }
  async function lease(): Promise<Mapping> {
    return mappingOf((await must(plane.admin, { method: 'GET', path: LEASE })).spec);
  }

  test('of two one is at work; the other goes on at once when the first ends in order', async () => {
    const first = await work();
    await eventually(() => first.isAtWork());
    const second = await work();
    await sleep(1_000);
    expect([first.isAtWork(), second.isAtWork()]).toEqual([true, false]);
    const { leaseTransitions = 0 } = await lease();
    const startedAt = Date.now();
    await first.close();
    await eventually(() => second.isAtWork());
    expect(Date.now() - startedAt).toBeLessThan(QUICK_LEASE.leaseMs);
    expect((await lease()).leaseTransitions).toBe(Number(leaseTransitions) + 1);
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'one');
  });

  test('one that is cut off writes nothing more, and the other takes over', async () => {
    const proxy = await startFlakyProxy(plane.port);
    const lost = await work({ port: proxy.port });
    await eventually(() => lost.isAtWork());
    const heir = await work();
    proxy.stall();
    const instance = await yard.declare('web');
    await eventually(() => !lost.isAtWork());
    expect(heir.isAtWork()).toBe(false);
    await eventually(() => heir.isAtWork());
    await yard.untilOn(instance, 'one');
    await yard.take(instance, 'one');
    const before = [...lost.answers];
    proxy.resume();
    await yard.merge('web', { metadata: { labels: { seen: 'yes' } } });
    await sleep(1_500);
    const written = [...lost.answers].filter(([name]) => /^(POST|PATCH|DELETE) 2/.test(name));
    expect(written).toEqual(before.filter(([name]) => /^(POST|PATCH|DELETE) 2/.test(name)));
    expect([lost.isAtWork(), heir.isAtWork()]).toEqual([false, true]);
    await proxy.close();
  });

  test('a Lease that somebody else writes in passing is kept', async () => {
    const worker = await work();
    await eventually(() => worker.isAtWork());
    for (const label of ['a', 'b', 'c']) {
      await must(plane.admin, {
        method: 'PATCH',
        path: LEASE,
        patch: 'application/merge-patch+json',
        body: { metadata: { labels: { [label]: 'x' } } },
      });
      await sleep(QUICK_LEASE.retryMs);
      expect(worker.isAtWork()).toBe(true);
    }
  });

  /** A worker that dies after each of its first writes, as if its process were gone. */
  async function dieAfter(writes: number): Promise<void> {
    let left = writes;
    const worker = await work({
      around: (ask) => async (request) => {
        if (request.method === 'GET' || request.path.includes('/leases/')) return ask(request);
        if (left <= 0) throw new HypemanError('transient', 'Dead', 'this worker is dead');
        left -= 1;
        return ask(request);
      },
    });
    await eventually(() => worker.isAtWork());
    await eventually(() => left <= 0, 3_000).catch(() => undefined);
    await sleep(100);
    await worker.close();
    workers = workers.filter((one) => one !== worker);
  }

  test('a worker that dies at any write leaves what the next one brings to the same end', async () => {
    for (const writes of [0, 1, 2, 3]) {
      const name = `web-${writes}`;
      const instance = await yard.declare(name);
      await dieAfter(writes);
      const next = await work();
      await yard.untilOn(instance, 'one');
      await yard.take(instance, 'one');
      await yard.merge(name, { spec: { state: 'Stopped' } });
      await yard.report(instance, agentStatus('Stopped', 2));
      await eventually(
        async () => textAt(await yard.podOf(instance), ['metadata', 'deletionTimestamp']) !== undefined,
      );
      await yard.releasePod(instance);
      await eventually(async () => (await yard.podOf(instance)) === undefined);
      await next.close();
      workers = workers.filter((one) => one !== next);
    }
  });

  test('one Instance takes a Pod; what is missing after an outage is made', async () => {
    const worker = await work();
    await eventually(() => worker.isAtWork());
    await sleep(500);
    const instance = await yard.declare('web');
    await yard.untilOn(instance, 'one');
    await yard.take(instance, 'one');
    await sleep(500);
    expect(worker.answers.get('POST 201')).toBeLessThanOrEqual(2);
    await plane.stopApiServer();
    await sleep(QUICK_LEASE.renewMs + 500);
    expect(worker.isAtWork()).toBe(false);
    await plane.startApiServer();
    const other = await yard.declare('other');
    await yard.untilOn(other, 'one');
    const { body } = await yard.read('web');
    expect(valueAt(body, ['status', 'state'])).toBe('Running');
  });
});
