import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import type { AgentHost } from '../../src/sources/kubernetes/agent-host.ts';
import type { NodePresence } from '../../src/sources/kubernetes/node-lease.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { startFlakyProxy } from '../support/cluster-proxy.ts';
import { allowAgent } from '../support/cluster-rights.ts';
import { eventually, installCrd, listen, makeYard, must } from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/hypeman-nodes/leases';

describe.skipIf(missing !== undefined)(`the Lease of a node ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  const agents: Listening[] = [];
  let nodes = 0;
  const nodeName = (): string => `leased-${nodes}`;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    await allowAgent(plane.admin);
  });
  beforeEach(async () => {
    nodes += 1;
    yard = await makeYard(plane.admin);
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.close()));
  });
  afterAll(() => plane.close());

  type Begun = { readonly agent: Listening; readonly started: Promise<void>; readonly lost: string[] };

  async function begin(
    host: string,
    more: Partial<NodePresence> & { port?: number; machine?: Partial<AgentHost> } = {},
  ): Promise<Begun> {
    const { port, machine, ...changes } = more;
    const lost: string[] = [];
    const presence: NodePresence = {
      host: { directory: host, lock: 'boot-1', ...machine },
      version: '9.9.9',
      abilities: () => Promise.resolve({ hypervisors: ['qemu'], hasKvm: false }),
      onLost: (message) => lost.push(message),
      ...{ renewMs: 200, lastsMs: 2_000 },
      ...changes,
    };
    const through = port === undefined ? {} : { port };
    const agent = await listen(plane, {
      nodeName: nodeName(),
      user: 'agent',
      presence,
      answerMs: 1_000,
      ...through,
    });
    agents.push(agent);
    return { agent, started: agent.source.start(() => undefined), lost };
  }
  const lease = (): Promise<Mapping> => must(plane.admin, { method: 'GET', path: `${LEASES}/${nodeName()}` });
  const holder = async (): Promise<string> => textAt(await lease(), ['spec', 'holderIdentity']) ?? '';

  test('an agent says that it is there, and what its node can run, again and again', async () => {
    const { started } = await begin('host-a');
    await started;
    const first = await lease();
    expect(valueAt(first, ['metadata', 'annotations'])).toEqual({
      'hypeman.dev/hypervisors': 'qemu',
      'hypeman.dev/kvm': 'false',
      'hypeman.dev/version': '9.9.9',
    });
    expect(valueAt(first, ['spec', 'leaseDurationSeconds'])).toBe(2);
    expect(await holder()).toMatch(new RegExp(`^${nodeName()}/host-a/-/boot-1/`));
    const renewal = textAt(first, ['spec', 'renewTime']);
    await eventually(async () => textAt(await lease(), ['spec', 'renewTime']) !== renewal);
  });

  test('a second agent of the same name says so and does nothing until the first one’s Lease has expired', async () => {
    const first = await begin('host-a');
    await first.started;
    await yard.create('web', { nodeName: nodeName() });
    await eventually(() => first.agent.source.declared(yard.key('web')).is === 'wanted');
    const second = await begin('host-b');
    const isStarted = second.started.then(() => true);
    await eventually(() =>
      second.agent.lines.some((line) => line.includes('another agent acts for this node')),
    );
    expect(await Promise.race([isStarted, sleep(3_000).then(() => false)])).toBe(false);
    expect(second.agent.source.keys()).toEqual([]);
    expect([...second.agent.answers.keys()]).toEqual(['GET 200']);
    await first.agent.close();
    expect(await isStarted).toBe(true);
    expect(await holder()).toContain('/host-b/');
    expect(second.agent.source.keys()).toEqual([yard.key('web')]);
  });

  test('an agent that follows on the same host need not wait for one that was killed', async () => {
    const first = await begin('host-a', { lastsMs: 60_000 });
    await first.started;
    await first.agent.close();
    const before = Date.now();
    const second = await begin('host-a', { lastsMs: 60_000 });
    await second.started;
    expect(Date.now() - before).toBeLessThan(20_000);
  });

  test.each([
    ['that booted again need not wait for its former life', 'machine-1', true],
    ['that may be a clone of the one that holds it waits', undefined, false],
    ['that was cloned from the one that holds it waits', 'machine-2', false],
  ])('an agent on a host %s', async (_, hardware, isAtOnce) => {
    const held = { lastsMs: 3_000, machine: { lock: 'boot-1', hardware: 'machine-1' } };
    const first = await begin(
      'host-a',
      hardware === undefined ? { ...held, machine: { lock: 'boot-1' } } : held,
    );
    await first.started;
    await first.agent.close();
    const machine = { lock: 'boot-2', ...(hardware === undefined ? {} : { hardware }) };
    const second = await begin('host-a', { lastsMs: 3_000, machine });
    const soon = sleep(2_000).then(() => false);
    expect(await Promise.race([second.started.then(() => true), soon])).toBe(isAtOnce);
    await second.started;
  });

  test('one that was cut off until another took over ends when it hears of it', async () => {
    const proxy = await startFlakyProxy(plane.port);
    const first = await begin('host-a', { port: proxy.port });
    await first.started;
    proxy.stall();
    const second = await begin('host-b');
    await second.started;
    expect(first.lost).toEqual([]);
    proxy.resume();
    await eventually(() => first.lost.length > 0);
    expect(first.lost[0]).toContain('/host-b/');
    expect(second.lost).toEqual([]);
    await proxy.close();
  });

  test('a server that comes back finds the same holder', async () => {
    const { started, lost } = await begin('host-a');
    await started;
    const before = await holder();
    await plane.stopApiServer();
    await sleep(3_000);
    await plane.startApiServer();
    const renewal = textAt(await lease(), ['spec', 'renewTime']);
    await eventually(async () => textAt(await lease(), ['spec', 'renewTime']) !== renewal);
    expect(await holder()).toBe(before);
    expect(lost).toEqual([]);
  });
});
