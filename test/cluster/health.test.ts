import { afterAll, beforeAll, beforeEach, expect, describe, test } from 'vitest';
import type { ImageQuery } from '../../src/images/image-store.ts';
import type { ImageState } from '../../src/machine/image.ts';
import { valueAt } from '../../src/api/raw.ts';
import { argoHealthOf } from '../support/argo-health.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, installCrd, makeYard, must } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';
import { kstatusOf } from '../support/kstatus.ts';

const missing = controlPlaneMissing();
const SLOW = 'docker.io/library/slow:1';
const BROKEN = 'docker.io/library/broken:1';
const NONE = 'docker.io/library/none:1';

/** A registry that is slow, one that is away, and one that has no such image. */
const IMAGES: Readonly<Record<string, ImageState>> = {
  [SLOW]: { state: 'pulling', progress: '30 %' },
  [BROKEN]: {
    ...{ state: 'failed', fate: 'transient', reason: 'RegistryUnreachable' },
    ...{ message: 'no answer', retryAt: Date.now() + 600_000 },
  },
  [NONE]: {
    ...{ state: 'failed', fate: 'invalid', reason: 'ImageNotFound' },
    ...{ message: 'there is no such image', retryAt: Date.now() + 600_000 },
  },
};

describe.skipIf(missing !== undefined)(`what GitOps tools make of an Instance ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let node: FakeNode;
  let agent: FakeAgent;
  let yard: Yard;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    const opened = await openFakeNode();
    const { images } = opened.workshops;
    const look = async (query: ImageQuery): Promise<ImageState> =>
      IMAGES[query.reference] ?? (await images.look(query));
    node = { ...opened, workshops: { ...opened.workshops, images: { ...images, look } } };
    agent = await startFakeAgent(plane, node);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
  });
  afterAll(async () => {
    await agent.close();
    await node.close();
    await plane.close();
  });

  /** What Flux and Argo CD make of it. */
  async function verdicts(name: string): Promise<string> {
    const { body } = await yard.read(name);
    const [health] = await argoHealthOf([body]);
    return `${kstatusOf(body)} ${health?.status ?? ''}: ${health?.message ?? ''}`;
  }
  async function comesTo(name: string, verdict: RegExp): Promise<void> {
    await eventually(async () => {
      const seen = await verdicts(name);
      return verdict.test(seen) || seen;
    });
  }

  test('one that no node has looked at is in progress, for as long as that takes', async () => {
    await yard.create('web', { nodeName: 'a-node-without-an-agent' });
    expect(await verdicts('web')).toMatch(/^InProgress Progressing/);
  });

  test('so is a Volume that no node has', async () => {
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/volumes`;
    const head = { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Volume', metadata: { name: 'data' } };
    const volume = await must(plane.admin, {
      method: 'POST',
      path,
      body: { ...head, spec: { size: '1GB' } },
    });
    const [health] = await argoHealthOf([volume]);
    expect([kstatusOf(volume), health?.status]).toEqual(['InProgress', 'Progressing']);
    expect(valueAt(volume, ['status', 'state'])).toBe('Pending');
  });

  test('one whose image is pulled is in progress', async () => {
    await yard.create('web', { image: SLOW });
    await comesTo('web', /^InProgress Progressing: .*30 %/);
  });

  // Standby, which nothing here can do, is judged with every status of the planner: test/host/manifests.
  test('one that runs is current, and stopped as declared it is, too', async () => {
    await yard.create('web');
    await comesTo('web', /^Current Healthy/);
    await yard.merge('web', { spec: { state: 'Stopped' } });
    await comesTo('web', /^Current Suspended/);
    await yard.merge('web', { spec: { state: 'Running' } });
    await comesTo('web', /^Current Healthy/);
  });

  test('an edit is in progress from the moment it is made', async () => {
    await yard.create('web');
    await comesTo('web', /^Current Healthy/);
    const { body: before } = await yard.read('web');
    const edited = await yard.merge('web', { spec: { tags: { a: 'b' } } });
    // As the answer to the edit has it: nobody has seen it yet.
    expect(kstatusOf({ ...edited, status: before.status })).toBe('InProgress');
    await comesTo('web', /^Current Healthy/);
  });

  test('an edit that waits for a restart holds up no deployment', async () => {
    await yard.create('web');
    await comesTo('web', /^Current Healthy/);
    await yard.merge('web', { spec: { vcpus: 4 } });
    await comesTo('web', /^Current Healthy/);
    const { body } = await yard.read('web');
    expect(body.status).toMatchObject({
      observedGeneration: 2,
      appliedGeneration: 1,
      pendingFields: ['vcpus'],
    });
  });

  test('one that waits for a registry is in progress; one that names no image has failed', async () => {
    await yard.create('later', { image: BROKEN });
    await yard.create('never', { image: NONE });
    await comesTo('later', /^InProgress Progressing: .*no answer/);
    await comesTo('never', /^Failed Degraded: .*no such image/);
  });

  test('an edit that is refused has failed, and its taking back mends it', async () => {
    await yard.create('web');
    await comesTo('web', /^Current Healthy/);
    await yard.merge('web', { spec: { forkFrom: { instance: 'base' } } });
    await comesTo('web', /^Failed Degraded: .*forkFrom/);
    await yard.merge('web', { spec: { forkFrom: null } });
    await comesTo('web', /^Current Healthy/);
  });

  test('one that is being deleted is terminating, and says who holds it', async () => {
    await yard.create('web', {}, { finalizers: ['example.com/backup'] });
    await comesTo('web', /^Current Healthy/);
    await yard.remove('web');
    await comesTo('web', /^Terminating Progressing: .*finalizers: example\.com\/backup$/);
    expect(agent.source.keys()).not.toContain(yard.key('web'));
    await yard.merge('web', { metadata: { finalizers: null } });
    await eventually(async () => (await yard.read('web')).status === 404);
  });
});
