import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { textAt, valueAt } from '../../src/api/raw.ts';
import { FINALIZER, NODE_LABEL } from '../../src/sources/kubernetes/instance-resource.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, installCrd, listenAndStart, makeYard, NODE } from '../support/cluster-stage.ts';
import { readyMessageIn, statusSaying } from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`declarations on an API server ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let agent: Listening;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    agent = await listenAndStart(plane, { elsewhereMs: 200 });
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

  test('an Instance that names this node is taken: its finalizer and label are on it when it is told', async () => {
    await yard.create('web', {}, { finalizers: ['example.com/other'], labels: { app: 'shop' } });
    await eventually(() => timesTold('web') > 0);
    const { body } = await yard.read('web');
    expect(valueAt(body, ['metadata', 'finalizers'])).toEqual(['example.com/other', FINALIZER]);
    expect(valueAt(body, ['metadata', 'labels'])).toEqual({ app: 'shop', [NODE_LABEL]: NODE });
    const uid = textAt(body, ['metadata', 'uid']);
    expect(agent.source.declared(yard.key('web'))).toMatchObject({ is: 'wanted', uid, generation: 1 });
    expect(agent.source.keys()).toContain(yard.key('web'));
    // The other watch tells that it left: nothing comes of that.
    await sleep(300);
    expect(agent.source.declared(yard.key('web'))).not.toHaveProperty('refused');
    expect(timesTold('web')).toBe(1);
  });

  test('an Instance of another node, or of none yet, is nobody’s business here', async () => {
    await yard.create('theirs', { nodeName: 'node-b' });
    await yard.create('unplaced', { nodeName: undefined });
    await yard.create('ours');
    await declared('ours', 'wanted');
    for (const name of ['theirs', 'unplaced']) {
      expect(agent.source.declared(yard.key(name))).toEqual({ is: 'gone' });
      expect(valueAt((await yard.read(name)).body, ['metadata', 'finalizers'])).toBeUndefined();
    }
  });

  test('an Instance that was placed by its label is taken as well', async () => {
    await yard.create('placed', { nodeName: undefined }, { labels: { [NODE_LABEL]: NODE } });
    await declared('placed', 'wanted');
    await eventually(async () => {
      const { body } = await yard.read('placed');
      return JSON.stringify(valueAt(body, ['metadata', 'finalizers'])) === `["${FINALIZER}"]`;
    });
  });

  test('an edit of the spec or of an annotation is told; a status of ours is not', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    await agent.source.report(yard.key('web'), statusSaying('boots'), []);
    const before = timesTold('web');
    await yard.merge('web', { spec: { vcpus: 4 } });
    await eventually(() => timesTold('web') === before + 1);
    expect(agent.source.declared(yard.key('web'))).toMatchObject({
      generation: 2,
      instance: { spec: { vcpus: 4 } },
    });
    await yard.merge('web', { metadata: { annotations: { 'hypeman.dev/restartedAt': 'now' } } });
    await eventually(() => timesTold('web') === before + 2);
    expect(agent.source.declared(yard.key('web'))).toMatchObject({ generation: 2 });
  });

  test('a deleted Instance stays until it is forgotten, and is gone then', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    await yard.remove('web');
    await declared('web', 'gone');
    expect((await yard.read('web')).status).toBe(200);
    await agent.source.report(yard.key('web'), statusSaying('is being removed'), []);
    expect(readyMessageIn((await yard.read('web')).body)).toBe('is being removed');
    await agent.source.forget(yard.key('web'));
    await eventually(async () => (await yard.read('web')).status === 404);
    await agent.source.forget(yard.key('web'));
    expect(agent.source.keys()).not.toContain(yard.key('web'));
  });

  test('letting go leaves the finalizers of others, whatever changed meanwhile', async () => {
    await yard.create('web', {}, { finalizers: ['example.com/backup'] });
    await declared('web', 'wanted');
    await yard.remove('web');
    await declared('web', 'gone');
    await yard.merge('web', { metadata: { finalizers: [FINALIZER, 'example.com/backup'] } });
    await agent.source.forget(yard.key('web'));
    const { body } = await yard.read('web');
    expect(valueAt(body, ['metadata', 'finalizers'])).toEqual(['example.com/backup']);
    await yard.merge('web', { metadata: { finalizers: null } });
  });

  test('an invalid edit that the server admits keeps the last good declaration, with every problem', async () => {
    await yard.create('web', { vcpus: 3 });
    await declared('web', 'wanted');
    // 1.20 knows no CEL: nothing stops this.
    await yard.merge('web', { spec: { forkFrom: { instance: 'base' }, env: { '1BAD': 'hunter2' } } });
    await eventually(() => {
      const found = agent.source.declared(yard.key('web'));
      return found.is === 'wanted' && found.refused !== undefined;
    });
    const found = agent.source.declared(yard.key('web'));
    expect(found).toMatchObject({
      generation: 2,
      instance: { spec: { vcpus: 3 } },
      refused: { reason: 'Invalid' },
    });
    const message = found.is === 'gone' ? '' : found.refused?.message;
    expect(message).toContain('spec.forkFrom');
    expect(message).toContain('spec.env');
    expect(message).not.toContain('hunter2');
    await yard.merge('web', { spec: { forkFrom: null, env: null } });
    await eventually(() => {
      const mended = agent.source.declared(yard.key('web'));
      return mended.is === 'wanted' && mended.refused === undefined && mended.generation === 3;
    });
  });

  test('an Instance that was never valid is held, and heals', async () => {
    await yard.create('web', { forkFrom: { instance: 'base' } });
    await eventually(() => timesTold('web') > 0);
    expect(agent.source.declared(yard.key('web'))).toMatchObject({
      is: 'held',
      refused: { reason: 'Invalid' },
    });
    await agent.source.report(yard.key('web'), statusSaying('was refused'), []);
    expect(readyMessageIn((await yard.read('web')).body)).toBe('was refused');
    await yard.merge('web', { spec: { forkFrom: null } });
    await declared('web', 'wanted');
  });

  test('an Instance forced away and declared anew is another one', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    const first = agent.source.declared(yard.key('web'));
    await yard.remove('web');
    await yard.merge('web', { metadata: { finalizers: null } });
    await eventually(async () => (await yard.read('web')).status === 404);
    await yard.create('web');
    await eventually(() => {
      const now = agent.source.declared(yard.key('web'));
      return now.is === 'wanted' && first.is === 'wanted' && now.uid !== first.uid;
    });
    await agent.source.forget(yard.key('web'));
    expect((await yard.read('web')).status).toBe(200);
    await declared('web', 'wanted');
  });

  test('a label that is moved or lost by mistake deletes nothing', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    await agent.source.report(yard.key('web'), statusSaying('runs'), []);
    await yard.merge('web', { metadata: { labels: { [NODE_LABEL]: 'node-b' } } });
    await declared('web', 'held');
    const held = agent.source.declared(yard.key('web'));
    expect(held).toMatchObject({ refused: { reason: 'SourceLost' } });
    await agent.source.report(yard.key('web'), statusSaying('was moved away'), []);
    expect(readyMessageIn((await yard.read('web')).body)).toBe('was moved away');
    await yard.merge('web', { metadata: { labels: { [NODE_LABEL]: NODE } } });
    await declared('web', 'wanted');
    await yard.merge('web', { metadata: { labels: { [NODE_LABEL]: null } } });
    await eventually(
      async () => textAt((await yard.read('web')).body, ['metadata', 'labels', NODE_LABEL]) === NODE,
    );
    await declared('web', 'wanted');
  });

  test('one that was moved away and deleted then is gone', async () => {
    await yard.create('web');
    await declared('web', 'wanted');
    await yard.merge('web', { metadata: { labels: { [NODE_LABEL]: 'node-b' } } });
    await declared('web', 'held');
    await yard.remove('web');
    await declared('web', 'gone');
    await agent.source.forget(yard.key('web'));
    await eventually(async () => (await yard.read('web')).status === 404);
  });

  test('one that another node holds is not begun here, whatever its label says', async () => {
    await yard.create('web', { nodeName: 'node-b' }, { labels: { [NODE_LABEL]: 'node-b' } });
    const other = await listenAndStart(plane, { nodeName: 'node-b' });
    await eventually(() => other.source.declared(yard.key('web')).is === 'wanted');
    await yard.merge('web', { metadata: { labels: { [NODE_LABEL]: NODE } }, spec: { nodeName: null } });
    await yard.create('later');
    await declared('later', 'wanted');
    expect(agent.source.declared(yard.key('web'))).toEqual({ is: 'gone' });
    await eventually(() => other.source.declared(yard.key('web')).is === 'held');
    await other.close();
  });

  test('what the host still has is looked up by name when the agent starts', async () => {
    await yard.create('moved');
    await yard.create('web');
    await declared('moved', 'wanted');
    await agent.source.report(yard.key('moved'), statusSaying('runs'), []);
    await yard.merge('moved', { metadata: { labels: { [NODE_LABEL]: 'node-b' } } });
    const uid = textAt((await yard.read('moved')).body, ['metadata', 'uid']) ?? '';
    const onHost = ['moved', 'never-was'].map((name) => ({ key: yard.key(name), uid }));
    const later = await listenAndStart(plane, { onHost: () => onHost });
    expect(later.source.declared(yard.key('moved'))).toMatchObject({ is: 'held' });
    expect(later.source.declared(yard.key('never-was'))).toEqual({ is: 'gone' });
    await later.close();
  });
});
