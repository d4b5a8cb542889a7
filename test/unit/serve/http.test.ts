import { afterEach, expect, test } from 'vitest';
import type { InstanceStatus } from '../../../src/api/status.ts';
import { openHttp } from '../../../src/serve/http.ts';
import type { HttpServer } from '../../../src/serve/http.ts';
import { openMetrics } from '../../../src/serve/metrics.ts';

const open: HttpServer[] = [];
const RUNNING: InstanceStatus = {
  observedGeneration: 1,
  state: 'Running',
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Running',
      message: 'the program runs',
      lastTransitionTime: '2026-11-22T10:00:00Z',
      observedGeneration: 1,
    },
  ],
};
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function serve(readiness: () => string | undefined = () => undefined): Promise<string> {
  const metrics = openMetrics('1.2.3');
  metrics.queueAdded();
  metrics.queueDepth(3);
  metrics.reconciled('error', 0.2);
  metrics.instancesAre(() => [RUNNING, RUNNING]);
  metrics.acted('pull-image', 'success');
  metrics.answered('PATCH', 200);
  metrics.answered('WATCH', 0);
  const problems = { health: () => undefined, readiness };
  const server = await openHttp({ address: '127.0.0.1', port: 0, flag: '--listen', metrics, problems });
  open.push(server);
  return `http://127.0.0.1:${server.port}`;
}

test('a healthy controller answers ok to its probes', async () => {
  const base = await serve();
  for (const path of ['/healthz', '/livez', '/readyz']) {
    const response = await fetch(base + path);
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
  }
});

test('what keeps the controller from being ready is said by the probe', async () => {
  const base = await serve(() => 'the directory /srv/instances has not been read yet');
  const response = await fetch(`${base}/readyz`);
  expect(response.status).toBe(503);
  expect(await response.text()).toContain('/srv/instances');
});

test('metrics carry the names that dashboards for controllers know', async () => {
  const text = await (await fetch(`${await serve()}/metrics`)).text();
  expect(text).toContain('workqueue_depth{name="instance"} 3');
  expect(text).toContain('workqueue_adds_total{name="instance"} 1');
  expect(text).toContain('controller_runtime_reconcile_total{controller="instance",result="error"} 1');
  expect(text).toContain('controller_runtime_reconcile_errors_total{controller="instance"} 1');
  expect(text).toContain('hypeman_instances{state="Running"} 2');
  expect(text).toContain('hypeman_instance_conditions{type="Ready",status="True"} 2');
  expect(text).toContain('hypeman_actions_total{action="pull-image",result="success"} 1');
  expect(text).toContain('rest_client_requests_total{code="200",method="PATCH"} 1');
  expect(text).toContain('rest_client_requests_total{code="<error>",method="WATCH"} 1');
  expect(text).toMatch(/hypeman_build_info\{version="1.2.3",node="v\d+/);
  expect(text).toMatch(/process_resident_memory_bytes \d{6,}/);
});

test('where only metrics are wished, nothing else is answered', async () => {
  const server = await openHttp({
    address: '127.0.0.1',
    port: 0,
    flag: '--metrics-listen',
    metrics: openMetrics('1'),
  });
  open.push(server);
  const statusOf = async (path: string): Promise<number> =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;
  expect(await statusOf('/metrics')).toBe(200);
  for (const path of ['/healthz', '/livez', '/readyz', '/']) expect(await statusOf(path), path).toBe(404);
});

test('a state that nobody is in any more counts as none', async () => {
  const metrics = openMetrics('1');
  let all = [RUNNING];
  metrics.instancesAre(() => all);
  expect(await metrics.text()).toContain('hypeman_instances{state="Running"} 1');
  all = [{ ...RUNNING, state: 'Stopped' }];
  const text = await metrics.text();
  expect(text).toContain('hypeman_instances{state="Stopped"} 1');
  expect(text).not.toContain('state="Running"');
});

test('nothing but reading is answered', async () => {
  const base = await serve();
  expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
  expect((await fetch(`${base}/secrets`)).status).toBe(404);
});

test('a taken port is refused with the flag that mends it', async () => {
  const base = new URL(await serve());
  const options = {
    flag: '--metrics-listen' as const,
    address: base.hostname,
    port: Number(base.port),
    metrics: openMetrics('1'),
  };
  await expect(openHttp(options)).rejects.toMatchObject({
    reason: 'AddressInUse',
    message: expect.stringContaining('--metrics-listen off') as string,
  });
});
