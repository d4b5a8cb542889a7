import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { runPlacement } from '../../src/cli/run-placement.ts';
import { openHttp } from '../../src/serve/http.ts';
import type { HttpServer } from '../../src/serve/http.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { SYSTEM, addPaperNode, makeSystem } from '../support/cluster-scheduling.ts';
import type { PaperNode } from '../support/cluster-scheduling.ts';
import { eventually, installCrd } from '../support/cluster-stage.ts';
import { cliRun } from '../support/cli-run.ts';
import { openMeasuredController } from '../support/measured-controller.ts';
import type { MeasuredController } from '../support/measured-controller.ts';
import { makePlacementYard } from '../support/placement-yard.ts';
import { dashboardExpressions, startPrometheus } from '../support/prometheus.ts';
import type { Prometheus } from '../support/prometheus.ts';
import { freePort } from '../support/registry.ts';

const missing = controlPlaneMissing();

/** One of the Deployment's two, as the command runs it. */
type Replica = { readonly name: string; readonly port: number; end(): Promise<void> };

describe.skipIf(missing !== undefined)(`a real Prometheus ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let node: PaperNode;
  let replicas: readonly Replica[];
  let agent: MeasuredController;
  let door: HttpServer;
  let prometheus: Prometheus;

  async function startReplica(name: string): Promise<Replica> {
    const [port, { context, interrupt }] = [await freePort(), cliRun()];
    const ended = runPlacement(context, {
      cluster: { is: 'kubeconfig', path: await plane.kubeconfig('admin') },
      ...{ namespace: SYSTEM, podName: name, placeholderImage: 'holder:1', cpuPercent: 100 },
      ...{ listen: { address: '127.0.0.1', port }, logLevel: 'silent' },
    });
    return {
      name,
      port,
      end: async () => {
        interrupt();
        await ended;
      },
    };
  }

  beforeAll(async () => {
    plane = await startControlPlane({ schedules: true });
    await installCrd(plane.admin);
    await makeSystem(plane.admin);
    node = await addPaperNode(plane.admin, 'node-1');
    replicas = [await startReplica('placement-a'), await startReplica('placement-b')];
    agent = await openMeasuredController();
    door = await openHttp({
      address: '127.0.0.1',
      port: 0,
      flag: '--metrics-listen',
      metrics: agent.metrics,
    });
    prometheus = await startPrometheus(
      {
        'hypeman-system/hypeman-agent': { 'node-1': door.port },
        'hypeman-system/hypeman-placement': Object.fromEntries(
          replicas.map(({ name, port }) => [name, port]),
        ),
      },
      await freePort(),
    );
  });
  afterAll(async () => {
    // Undefined where it did not start.
    await (prometheus as Prometheus | undefined)?.close();
    await door.close();
    await agent.close();
    await Promise.all(replicas.map((replica) => replica.end()));
    await node.remove();
    await plane.close();
  });

  async function value(expression: string): Promise<string | undefined> {
    const [first] = await prometheus.query(expression);
    return textAt(first, ['value', 1]);
  }

  test('scrapes agent and placement, and tells who of placement is at work', async () => {
    await eventually(async () => (await value('sum(up)')) === '3');
    await eventually(async () => (await value('sum(hypeman_placement_leader)')) === '1');
    const yard = await makePlacementYard(plane.admin);
    await yard.declare('nowhere', { nodeSelector: { no: 'where' } });
    await eventually(async () => (await value('max(hypeman_placement_unplaced_instances)')) === '1');
    await eventually(async () => (await value('max(hypeman_placement_nodes{standing="alive"})')) === '1');
  });

  test('every expression of the dashboard is answered, with data wherever there is any', async () => {
    await eventually(
      async () => (await value('count_over_time(up{instance="node-1"}[1m]) >= bool 3')) === '1',
    );
    agent.decide();
    await sleep(2_000);
    const expressions = await dashboardExpressions();
    const silent: string[] = [];
    for (const expression of expressions)
      if ((await prometheus.query(expression)).length === 0) silent.push(expression);
    expect(expressions.length).toBeGreaterThan(20);
    // Everything is as declared, and nothing failed.
    const bare = silent.map((one) => one.replaceAll(/\{.*?\}|\[1m\]/g, ''));
    expect(new Set(bare)).toEqual(
      new Set(['sum(hypeman_instance_conditions)', 'sum by (action) (rate(hypeman_actions_total))']),
    );
    expect(silent.filter((one) => one.includes('actions_total'))).toEqual([
      expect.stringContaining('result="error"'),
    ]);
  });

  test('every alert is evaluated without an error, and none fires', async () => {
    const rules = async (): Promise<readonly Mapping[]> =>
      listOf(valueAt(await prometheus.ask('/api/v1/rules'), ['groups', 0, 'rules'])) as readonly Mapping[];
    await eventually(async () => (await rules()).every(({ health }) => health === 'ok') || (await rules()));
    expect((await rules()).length).toBeGreaterThanOrEqual(10);
    const firing = (await rules()).filter(({ state }) => state === 'firing');
    expect(firing).toEqual([]);
  });

  test('the end of the replica at work is seen, and the other takes its place', async () => {
    const [first] = await prometheus.query('hypeman_placement_leader == 1');
    const at = textAt(first, ['metric', 'instance']);
    const other = replicas.find(({ name }) => name !== at);
    await replicas.find(({ name }) => name === at)?.end();
    const expression = `hypeman_placement_leader{instance="${other?.name ?? ''}"}`;
    await eventually(async () => (await value(expression)) === '1');
    await eventually(async () => (await value(`up{instance="${at ?? ''}"}`)) === '0');
  });
});
