import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listOf, mappingOf, textAt, valueAt } from '../../src/api/raw.ts';
import type { Mapping } from '../../src/api/raw.ts';
import { volumeKeyOf } from '../../src/machine/ids.ts';
import type { StoredVolume } from '../../src/storage/volumes.ts';
import { openFakeNode, startFakeAgent } from '../support/cluster-agent.ts';
import type { FakeAgent, FakeNode } from '../support/cluster-agent.ts';
import { clusterCli, patchStatus } from '../support/cluster-cli-stage.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { allowAgent, forbidKind } from '../support/cluster-rights.ts';
import { eventually, installCrd, makeYard, must } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';
import { mounting, volumeYard } from '../support/cluster-volumes.ts';
import type { VolumeYard } from '../support/cluster-volumes.ts';

const missing = controlPlaneMissing();

/** A node of a test, its agent replaceable. */
type Place = { readonly name: string; readonly node: FakeNode; agent: FakeAgent };

describe.skipIf(missing !== undefined)(`Volumes of a cluster ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let volumes: VolumeYard;
  let here: Place;
  let there: Place;
  let places = 0;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
  });
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
    volumes = volumeYard(plane.admin, yard);
    [here, there] = [await openPlace(), await openPlace()];
  });
  afterEach(async () => {
    for (const { agent, node } of [here, there]) {
      await agent.close();
      await node.close();
    }
  });
  afterAll(async () => {
    await plane.close();
  });

  async function openPlace(): Promise<Place> {
    places += 1;
    const name = `node-${places}`;
    const node = await openFakeNode();
    return { name, node, agent: await startFakeAgent(plane, node, { nodeName: name, ...FAST }) };
  }
  const FAST = { elsewhereMs: 300, headStartMs: 300 };
  async function replaceAgent(place: Place): Promise<void> {
    await place.agent.close();
    await startAgent(place);
  }
  async function startAgent(place: Place): Promise<void> {
    place.agent = await startFakeAgent(plane, place.node, { nodeName: place.name, ...FAST });
  }
  async function run(name: string, place: Place, spec: Mapping): Promise<void> {
    await yard.create(name, { nodeName: place.name, ...spec });
  }
  async function ready(name: string): Promise<string> {
    const { body } = await yard.read(name);
    const conditions = listOf(valueAt(body, ['status', 'conditions']));
    const found = conditions.find((one) => textAt(one, ['type']) === 'Ready');
    return `${textAt(found, ['status']) ?? 'absent'} ${textAt(found, ['reason']) ?? ''}`;
  }
  const isReady = (name: string): Promise<void> =>
    eventually(async () => (await ready(name)).startsWith('True') || (await ready(name)));
  const isWaiting = (name: string, reason: string): Promise<void> =>
    eventually(async () => (await ready(name)) === `False ${reason}` || (await ready(name)));
  const stands = (name: string, standing: string): Promise<void> =>
    eventually(async () => (await volumes.standing(name)) === standing || (await volumes.standing(name)));
  const disk = ({ node }: Place, name: string): StoredVolume | undefined =>
    node.workshops.volumes.of(volumeKeyOf(yard.namespace, name));

  test('the first instance that mounts a Volume has its disk made on its node, and the Volume says so', async () => {
    await volumes.create('data');
    await run('web', here, mounting('data'));
    await isReady('web');
    await stands('data', `InUse ${here.name} True`);
    const { body } = await volumes.read('data');
    expect(valueAt(body, ['status', 'usedBy'])).toEqual([`${yard.namespace}/web (read-write)`]);
    expect(valueAt(body, ['status', 'size'])).toBe('32MB');
    expect(valueAt(body, ['status', 'observedGeneration'])).toBe(1);
    expect(valueAt(body, ['metadata', 'labels', 'hypeman.dev/node'])).toBe(here.name);
    expect(valueAt(body, ['metadata', 'finalizers'])).toEqual(['hypeman.dev/volume']);
    expect(disk(here, 'data')).toBeDefined();
    expect(disk(there, 'data')).toBeUndefined();
    await yard.remove('web');
    await stands('data', `Available ${here.name} True`);
  });

  test('one that nobody mounts is nobody’s', async () => {
    await volumes.create('data');
    await run('web', here, {});
    await isReady('web');
    await sleep(500);
    const { body } = await volumes.read('data');
    expect(valueAt(body, ['metadata', 'finalizers'])).toBeUndefined();
    expect(valueAt(body, ['status'])).toBeUndefined();
  });

  test('of two nodes that want it at once one has it, and the other waits and says which', async () => {
    await run('web', here, mounting('data'));
    await run('worker', there, mounting('data'));
    await isWaiting('web', 'VolumeNotFound');
    await isWaiting('worker', 'VolumeNotFound');
    await volumes.create('data');
    await eventually(async () => {
      const both = await Promise.all([ready('web'), ready('worker')]);
      return (both.some((one) => one.startsWith('True')) && both.includes('False VolumeElsewhere')) || both;
    });
    const winner = disk(here, 'data') === undefined ? there : here;
    const loser = winner === here ? there : here;
    expect(disk(winner, 'data')).toBeDefined();
    expect(disk(loser, 'data')).toBeUndefined();
    const waiting = await yard.read(winner === here ? 'worker' : 'web');
    expect(JSON.stringify(valueAt(waiting.body, ['status']))).toContain(`on the node ${winner.name}`);
  });

  test('a label chosen beforehand decides the node', async () => {
    await volumes.create('data', {}, { labels: { 'hypeman.dev/node': there.name } });
    await run('web', here, mounting('data'));
    await isWaiting('web', 'VolumeElsewhere');
    await run('worker', there, mounting('data'));
    await isReady('worker');
    expect(disk(here, 'data')).toBeUndefined();
  });

  test('a Volume that is deleted while used waits and says for whom; then its disk goes too', async () => {
    await volumes.create('data', { reclaimPolicy: 'Delete' });
    await run('web', here, mounting('data'));
    await isReady('web');
    await volumes.remove('data');
    await eventually(async () => (await volumes.message('data')).includes(`${yard.namespace}/web`));
    expect(disk(here, 'data')).toBeDefined();
    expect(await ready('web')).toMatch(/^True/);
    await yard.remove('web');
    await eventually(() => volumes.isGone('data'));
    expect(disk(here, 'data')).toBeUndefined();
  });

  test('a kept disk is found again by a Volume of its name, wherever the next instance is', async () => {
    await volumes.create('data');
    await run('web', here, mounting('data'));
    await isReady('web');
    const before = disk(here, 'data')?.id;
    await yard.remove('web');
    await volumes.remove('data');
    await eventually(() => volumes.isGone('data'));
    expect(disk(here, 'data')?.id).toBe(before);
    await run('worker', there, mounting('data'));
    await isWaiting('worker', 'VolumeNotFound');
    await volumes.create('data');
    await isWaiting('worker', 'VolumeElsewhere');
    expect(disk(there, 'data')).toBeUndefined();
    await run('web', here, mounting('data'));
    await isReady('web');
    expect(disk(here, 'data')?.id).toBe(before);
  });

  test('the last word on the disk counts, even one that came after the deletion', async () => {
    await volumes.create('data', { reclaimPolicy: 'Delete' });
    await run('web', here, mounting('data'));
    await isReady('web');
    await here.agent.close();
    await volumes.remove('data');
    await volumes.merge('data', { spec: { reclaimPolicy: 'Retain' } });
    await yard.remove('web');
    await startAgent(here);
    await eventually(() => volumes.isGone('data'));
    expect(disk(here, 'data')?.reclaimPolicy).toBe('Retain');
  });

  test('a namespace that is deleted takes instances and Volumes with it, in their order', async () => {
    await volumes.create('data', { reclaimPolicy: 'Delete' });
    await volumes.create('kept');
    const [first] = mounting('data').volumes as readonly unknown[];
    const [second] = mounting('kept').volumes as readonly unknown[];
    await run('web', here, { volumes: [first, second] });
    await isReady('web');
    await must(plane.admin, { method: 'DELETE', path: `/api/v1/namespaces/${yard.namespace}` });
    await eventually(async () => {
      const path = `/api/v1/namespaces/${yard.namespace}`;
      return (await plane.admin.ask({ method: 'GET', path })).status === 404;
    }, 60_000);
    expect(disk(here, 'data')).toBeUndefined();
    expect(disk(here, 'kept')).toBeDefined();
  });

  test('an agent that is replaced takes nothing for deleted and writes nothing', async () => {
    await volumes.create('data', { reclaimPolicy: 'Delete' });
    await run('web', here, mounting('data'));
    await isReady('web');
    await stands('data', `InUse ${here.name} True`);
    const before = (await volumes.read('data')).body;
    await replaceAgent(here);
    await here.agent.controller.settled();
    await sleep(1_000);
    const after = (await volumes.read('data')).body;
    expect(valueAt(after, ['metadata', 'resourceVersion'])).toBe(
      valueAt(before, ['metadata', 'resourceVersion']),
    );
    expect(disk(here, 'data')).toBeDefined();
  });

  test('what was deleted while no agent ran is dealt with by the next', async () => {
    await volumes.create('data', { reclaimPolicy: 'Delete' });
    await volumes.create('forced', { reclaimPolicy: 'Delete' });
    for (const name of ['data', 'forced']) await run(`on-${name}`, here, mounting(name));
    for (const name of ['data', 'forced']) await isReady(`on-${name}`);
    await stands('forced', `InUse ${here.name} True`);
    await here.agent.close();
    for (const name of ['data', 'forced']) await yard.remove(`on-${name}`);
    for (const name of ['data', 'forced']) await volumes.remove(name);
    await volumes.merge('forced', { metadata: { finalizers: null } });
    await startAgent(here);
    await eventually(() => volumes.isGone('data'));
    await eventually(() => here.node.workshops.volumes.all().length === 0);
  });

  test('it grows for the next run', async () => {
    await volumes.create('data');
    await run('web', here, mounting('data'));
    await isReady('web');
    await volumes.merge('data', { spec: { size: '48MB' } });
    await eventually(async () => (await volumes.message('data')).includes('grows to 48MB'));
    await yard.merge('web', { spec: { state: 'Stopped' } });
    await stands('data', `Available ${here.name} True`);
    await yard.merge('web', { spec: { state: 'Running' } });
    await stands('data', `InUse ${here.name} True`);
    expect(valueAt((await volumes.read('data')).body, ['status', 'size'])).toBe('48MB');
  });

  test('readers share it, and a writer waits for them', async () => {
    await volumes.create('data');
    for (const name of ['one', 'two']) await run(name, here, mounting('data', { readonly: true }));
    for (const name of ['one', 'two']) await isReady(name);
    await run('writer', here, mounting('data'));
    await isWaiting('writer', 'VolumeInUse');
    await eventually(async () => {
      const users = listOf(valueAt((await volumes.read('data')).body, ['status', 'usedBy']));
      return users.length === 2 && users.every((user) => String(user).endsWith('(read-only)'));
    });
    for (const name of ['one', 'two']) await yard.remove(name);
    await isReady('writer');
  });

  test('an archive of a host is refused with the way out', async () => {
    await volumes.create('data', { source: { archive: '/srv/files.tar' } });
    await run('web', here, mounting('data'));
    await isWaiting('web', 'Invalid');
    await eventually(async () => (await volumes.message('data')).includes('use image'));
  });

  test('somebody who moves the label, or takes our marks off, moves no disk', async () => {
    await volumes.create('data');
    await run('web', here, mounting('data'));
    await isReady('web');
    await volumes.merge('data', { metadata: { labels: { 'hypeman.dev/node': there.name } } });
    await run('worker', there, mounting('data'));
    await isWaiting('worker', 'VolumeElsewhere');
    await eventually(async () => (await volumes.message('data')).includes(`is now ${there.name}`));
    await volumes.merge('data', {
      metadata: { labels: { 'hypeman.dev/node': here.name }, finalizers: null },
    });
    await eventually(async () => {
      const { body } = await volumes.read('data');
      return JSON.stringify(valueAt(body, ['metadata', 'finalizers'])) === '["hypeman.dev/volume"]';
    });
    await eventually(async () => (await volumes.message('data')) === '');
    expect(disk(there, 'data')).toBeUndefined();
  });

  test('a status that somebody else wrote is put right', async () => {
    await volumes.create('data');
    await run('web', here, mounting('data'));
    await isReady('web');
    await stands('data', `InUse ${here.name} True`);
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/volumes/data/status`;
    const patch = 'application/merge-patch+json';
    await must(plane.admin, { method: 'PATCH', path, patch, body: { status: { state: 'Failed' } } });
    await stands('data', `InUse ${here.name} True`);
  });

  test('an agent whose role is older than Volumes takes care of its Instances', async () => {
    await allowAgent(plane.admin);
    const allowVolumes = await forbidKind(plane.admin, 'volumes');
    await here.agent.close();
    here.agent = await startFakeAgent(plane, here.node, { nodeName: here.name, user: 'agent', ...FAST });
    await volumes.create('data');
    await run('plain', here, {});
    await isReady('plain');
    await run('web', here, mounting('data'));
    await isWaiting('web', 'SourceLost');
    await allowVolumes();
    await isReady('web');
  });

  test.each(['1.32', '1.20'] as const)('kubectl %s shows it by every one of its names', async (version) => {
    await volumes.create('data');
    await run('web', here, mounting('data'));
    await stands('data', `InUse ${here.name} True`);
    const kubectl = (...args: readonly string[]): Promise<string> =>
      plane.kubectl(version, '-n', yard.namespace, ...args);
    for (const name of ['volume', 'volumes', 'ivol', 'volumes.hypeman.dev'])
      expect(await kubectl('get', name)).toMatch(
        new RegExp(`data +InUse +32MB +${here.name} +\\["${yard.namespace}/web \\(read-write\\)"\\]`),
      );
    await kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'ivol/data');
  });

  test('the command line shows it with the table of directory mode', async () => {
    await volumes.create('data');
    await volumes.create('idle', { size: '1GB', reclaimPolicy: 'Delete' });
    await run('web', here, mounting('data'));
    await stands('data', `InUse ${here.name} True`);
    const kubeconfig = await plane.kubeconfig('admin');
    const words = ['get', 'volumes', '--kubeconfig', kubeconfig, '-n', yard.namespace];
    const { stdout } = await clusterCli(words);
    expect(stdout.replace(/ {2,}/g, '|').replace(/\|\d+s\|/, '|AGE|')).toBe(
      [
        'NAME|SIZE|USED BY|RECLAIM|AGE|STATE',
        `data|32MB|${yard.namespace}/web (read-write)|Retain|AGE|InUse`,
        'idle|1GB|<none>|Delete|<none>|Pending',
        '',
      ].join('\n'),
    );
  });

  describe('an agent that ended goes on', () => {
    test('after it had taken one, and before it made the disk', async () => {
      await here.agent.close();
      const { uid } = mappingOf((await volumes.create('data')).metadata);
      await volumes.merge('data', {
        metadata: {
          labels: { 'hypeman.dev/node': here.name },
          annotations: { 'hypeman.dev/held-by': `${here.name} ${String(uid)}` },
          finalizers: ['hypeman.dev/volume'],
        },
      });
      await startAgent(here);
      await run('web', here, mounting('data'));
      await stands('data', `InUse ${here.name} True`);
    });

    test('after the disk was made, and before that was told', async () => {
      await volumes.create('data');
      await run('web', here, mounting('data'));
      await isReady('web');
      await here.agent.close();
      await patchStatus(plane.admin, volumes.path('data'), null);
      const before = disk(here, 'data');
      await startAgent(here);
      await stands('data', `InUse ${here.name} True`);
      expect(disk(here, 'data')).toEqual(before);
    });

    test('after the disk was removed, and before the Volume was let go', async () => {
      await volumes.create('data', { reclaimPolicy: 'Delete' });
      await run('web', here, mounting('data'));
      await isReady('web');
      await yard.remove('web');
      await stands('data', `Available ${here.name} True`);
      await here.agent.close();
      await volumes.remove('data');
      expect(await here.node.workshops.volumes.remove(volumeKeyOf(yard.namespace, 'data'))).toBe(true);
      await startAgent(here);
      await eventually(() => volumes.isGone('data'));
    });

    test('after another Volume took the name while it was away', async () => {
      await volumes.create('data', { reclaimPolicy: 'Delete' });
      await run('web', here, mounting('data'));
      await isReady('web');
      await here.agent.close();
      await volumes.remove('data');
      await volumes.merge('data', { metadata: { finalizers: null } });
      await run('worker', there, mounting('data'));
      await volumes.create('data');
      await isReady('worker');
      await startAgent(here);
      await here.agent.controller.settled();
      await yard.merge('web', { spec: { state: 'Stopped' } });
      await isReady('web');
      await yard.merge('web', { spec: { state: 'Running' } });
      await isWaiting('web', 'VolumeElsewhere');
      expect(disk(here, 'data')).toBeDefined();
      await stands('data', `InUse ${there.name} True`);
    });
  });
});
