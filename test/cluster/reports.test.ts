import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { valueAt } from '../../src/api/raw.ts';
import type { InstanceStatus } from '../../src/api/status.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, installCrd, listenAndStart, makeYard, NODE } from '../support/cluster-stage.ts';
import { must, readyMessageIn, statusSaying } from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`reports to an API server ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let agent: Listening;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    agent = await listenAndStart(plane);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
  });
  afterAll(async () => {
    await agent.close();
    await plane.close();
  });

  async function declared(name: string, is: 'wanted' | 'held' | 'gone'): Promise<void> {
    await eventually(() => {
      const found = agent.source.declared(yard.key(name));
      return found.is === is || found;
    });
  }
  function timesTold(name: string): number {
    return agent.told.filter((key) => key === yard.key(name)).length;
  }

  /** And what the source itself knows. */
  function placed(status: InstanceStatus): unknown {
    const scheduled = {
      ...{ type: 'Scheduled', status: 'True', reason: 'Scheduled', message: `on node ${NODE}` },
      lastTransitionTime: expect.any(String) as unknown,
      observedGeneration: status.observedGeneration,
    };
    return { ...status, conditions: [...status.conditions, scheduled] };
  }

  test('a status is written once, and again only when it differs', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    const patches = (): number => agent.answers.get('PATCH 200') ?? 0;
    const before = patches();
    await agent.source.report(yard.key('web'), statusSaying('boots'), []);
    await agent.source.report(yard.key('web'), statusSaying('boots'), []);
    expect(patches()).toBe(before + 1);
    await agent.source.report(yard.key('web'), statusSaying('runs'), []);
    const { body } = await yard.read('web');
    expect(readyMessageIn(body)).toBe('runs');
    expect(valueAt(body, ['metadata', 'generation'])).toBe(1);
    expect(agent.source.lastStatus(yard.key('web'))).toEqual(placed(statusSaying('runs')));
    const managers = JSON.stringify(valueAt(body, ['metadata', 'managedFields']));
    expect(managers).toContain('"hypeman-controller"');
  });

  test('a new agent knows the last status and does not write it again', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    await agent.source.report(yard.key('web'), statusSaying('runs'), []);
    const second = await listenAndStart(plane);
    expect(second.source.lastStatus(yard.key('web'))).toEqual(placed(statusSaying('runs')));
    await second.source.report(yard.key('web'), statusSaying('runs'), []);
    expect(second.answers.get('PATCH 200')).toBeUndefined();
    await second.close();
  });

  test('a status that somebody else wrote over is told, and written again', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    await agent.source.report(yard.key('web'), statusSaying('runs'), []);
    const before = timesTold('web');
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/instances/web/status`;
    const patch = 'application/merge-patch+json';
    await plane.admin.ask({ method: 'PATCH', path, patch, body: { status: { conditions: [] } } });
    await eventually(() => timesTold('web') > before);
    await agent.source.report(yard.key('web'), statusSaying('runs'), []);
    expect(readyMessageIn((await yard.read('web')).body)).toBe('runs');
  });

  test('a status for an Instance that was replaced meanwhile is dropped', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    const late = await listenAndStart(plane);
    // Its watch ends here, so that it knows the first one only.
    await late.close();
    await yard.remove('web');
    await yard.merge('web', { metadata: { finalizers: null } });
    await yard.create('web');
    await late.source.report(yard.key('web'), statusSaying('of another life'), []);
    expect(readyMessageIn((await yard.read('web')).body)).not.toBe('of another life');
  });

  test('an event is written once and counted after that', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    const event = { type: 'Warning', reason: 'Exited', message: 'exit code 1' } as const;
    for (let count = 0; count < 5; count += 1)
      await agent.source.report(yard.key('web'), statusSaying(`life ${count}`), [
        { ...event, at: Date.now() },
        ...(count === 0 ? [{ ...event, reason: 'Started', type: 'Normal' as const, at: Date.now() }] : []),
      ]);
    await eventually(async () => {
      const events = await yard.events();
      const counts = events.map(({ reason, series }) => [reason, valueAt(series, ['count'])]);
      return JSON.stringify(counts.sort()) === '[["Exited",5],["Started",null]]' || counts;
    });
    const [one] = await yard.events();
    expect(one).toMatchObject({ regarding: { kind: 'Instance', name: 'web' }, reportingInstance: NODE });
  });

  test('a namespace that is deleted takes its Instances along, one step after the other', async () => {
    const names = ['a', 'b'];
    for (const name of names) await yard.create(name);
    for (const name of names) await declared(name, 'wanted');
    const path = `/api/v1/namespaces/${yard.namespace}`;
    await must(plane.admin, { method: 'DELETE', path });
    for (const name of names) await declared(name, 'gone');
    // No Event can be made in a namespace that ends: the status is written all the same.
    const event = { type: 'Normal', reason: 'Stopped', message: 'stopped', at: Date.now() } as const;
    await agent.source.report(yard.key('a'), statusSaying('is being removed'), [event]);
    expect(readyMessageIn((await yard.read('a')).body)).toBe('is being removed');
    for (const name of names) await agent.source.forget(yard.key(name));
    await eventually(async () => (await plane.admin.ask({ method: 'GET', path })).status === 404, 60_000);
  });
});
