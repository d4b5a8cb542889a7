import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { ImageQuery, ImageStore } from '../../src/images/image-store.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { allowAgent, allowSecret } from '../support/cluster-rights.ts';
import { eventually, installCrd, makeYard } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();
const RIGHT = '{"auths":{"docker.io":{"auth":"cmlnaHQ6aHVudGVyMg=="}}}';
const WRONG = '{"auths":{"docker.io":{"auth":"d3Jvbmc6aHVudGVyMg=="}}}';

describe.skipIf(missing !== undefined)(`pull secrets of a cluster ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let node: FakeNode;
  let agent: FakeAgent;
  let nodes = 0;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    await allowAgent(plane.admin);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
    node = await openFakeNode();
    nodes += 1;
    const workshops = { ...node.workshops, images: guarded(node.workshops.images) };
    agent = await startFakeAgent(plane, { ...node, workshops }, { nodeName: nodeName(), user: 'agent' });
  });
  afterEach(async () => {
    await agent.close();
    await node.close();
  });
  afterAll(() => plane.close());

  const nodeName = (): string => `node-${nodes}`;

  /** A registry that gives to who shows the right credential, and says so to nobody else. */
  function guarded(images: ImageStore): ImageStore {
    const isRight = ({ credentials = [] }: ImageQuery): boolean =>
      credentials.some((one) => one.reveal() === RIGHT);
    const retryAt = Date.now() + 3_600_000;
    const denied = { state: 'failed', fate: 'transient', reason: 'RegistryDenied', message: 'no', retryAt };
    return {
      ...images,
      look: (query) => (isRight(query) ? images.look(query) : Promise.resolve({ ...denied } as never)),
    };
  }

  async function create(...secrets: readonly string[]): Promise<void> {
    const imagePullSecrets = secrets.map((name) => ({ name }));
    await yard.create('web', { nodeName: nodeName(), imagePullSecrets });
    for (const name of secrets) await allowSecret(plane.admin, yard.namespace, name);
  }
  async function is(wanted: string): Promise<void> {
    await eventually(async () => {
      const conditions = listOf(valueAt((await yard.read('web')).body, ['status', 'conditions']));
      const found = conditions.find((one) => textAt(one, ['type']) === 'Ready');
      const now = `${textAt(found, ['status']) ?? 'absent'} ${textAt(found, ['reason']) ?? ''}`;
      return now.startsWith(wanted) || now;
    });
  }

  test('one that is missing is a condition; one that is wrong another; the right one starts it', async () => {
    await create('team');
    await is('False SecretNotFound');
    await yard.putSecret('team', { '.dockerconfigjson': WRONG });
    await is('False RegistryDenied');
    await yard.putSecret('team', { '.dockerconfigjson': RIGHT });
    await is('True');
    const { body } = await yard.read('web');
    const said = JSON.stringify([agent.lines, body, await yard.events()]);
    for (const word of ['hunter2', 'cmlnaHQ6', 'd3Jvbmc6']) expect(said).not.toContain(word);
  });

  test('the right to that Secret alone is enough, and without it the message says which', async () => {
    await yard.putSecret('team', { '.dockerconfigjson': RIGHT });
    await yard.create('web', { nodeName: nodeName(), imagePullSecrets: [{ name: 'team' }] });
    await is('False SecretUnreadable');
    await allowSecret(plane.admin, yard.namespace, 'team');
    await is('True');
  });

  test('an edit that names another is followed', async () => {
    await yard.putSecret('team', { '.dockerconfigjson': WRONG });
    await yard.putSecret('other', { '.dockerconfigjson': RIGHT });
    await create('team');
    await is('False RegistryDenied');
    await allowSecret(plane.admin, yard.namespace, 'other');
    await yard.merge('web', { spec: { imagePullSecrets: [{ name: 'other' }] } });
    await is('True');
  });
});
