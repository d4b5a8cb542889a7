import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { listOf, valueAt } from '../../src/api/raw.ts';
import { clusterCli } from '../support/cluster-cli-stage.ts';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { eventually, must } from '../support/cluster-stage.ts';
import { volumeStage } from '../support/cluster-volume-stage.ts';
import { mounting } from '../support/cluster-volumes.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`Volumes of a cluster ${missing ?? ''}`, () => {
  const on = volumeStage();

  test('the first instance that mounts a Volume has its disk made on its node, and the Volume says so', async () => {
    await on.volumes.create('data');
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.stands('data', `InUse ${on.here.name} True`);
    const { body } = await on.volumes.read('data');
    expect(valueAt(body, ['status', 'usedBy'])).toEqual([`${on.yard.namespace}/web (read-write)`]);
    expect(valueAt(body, ['status', 'size'])).toBe('32MB');
    expect(valueAt(body, ['status', 'observedGeneration'])).toBe(1);
    expect(valueAt(body, ['metadata', 'labels', 'hypeman.dev/node'])).toBe(on.here.name);
    expect(valueAt(body, ['metadata', 'finalizers'])).toEqual(['hypeman.dev/volume']);
    expect(on.disk(on.here, 'data')).toBeDefined();
    expect(on.disk(on.there, 'data')).toBeUndefined();
    await on.yard.remove('web');
    await on.stands('data', `Available ${on.here.name} True`);
  });

  test('one that nobody mounts is nobody’s', async () => {
    await on.volumes.create('data');
    await on.run('web', on.here, {});
    await on.isReady('web');
    await sleep(500);
    const { body } = await on.volumes.read('data');
    expect(valueAt(body, ['metadata', 'finalizers'])).toBeUndefined();
    expect(valueAt(body, ['status', 'nodeName'])).toBeUndefined();
    expect(valueAt(body, ['status', 'conditions', 0, 'reason'])).toBe('Pending');
  });

  test('of two nodes that want it at once one has it, and the other waits and says which', async () => {
    await on.run('web', on.here, mounting('data'));
    await on.run('worker', on.there, mounting('data'));
    await on.isWaiting('web', 'VolumeNotFound');
    await on.isWaiting('worker', 'VolumeNotFound');
    await on.volumes.create('data');
    await eventually(async () => {
      const both = await Promise.all([on.ready('web'), on.ready('worker')]);
      return (both.some((one) => one.startsWith('True')) && both.includes('False VolumeElsewhere')) || both;
    });
    const winner = on.disk(on.here, 'data') === undefined ? on.there : on.here;
    const loser = winner === on.here ? on.there : on.here;
    expect(on.disk(winner, 'data')).toBeDefined();
    expect(on.disk(loser, 'data')).toBeUndefined();
    const waiting = await on.yard.read(winner === on.here ? 'worker' : 'web');
    expect(JSON.stringify(valueAt(waiting.body, ['status']))).toContain(`on the node ${winner.name}`);
  });

  test('a label chosen beforehand decides the node', async () => {
    await on.volumes.create('data', {}, { labels: { 'hypeman.dev/node': on.there.name } });
    await on.run('web', on.here, mounting('data'));
    await on.isWaiting('web', 'VolumeElsewhere');
    await on.run('worker', on.there, mounting('data'));
    await on.isReady('worker');
    expect(on.disk(on.here, 'data')).toBeUndefined();
  });

  test('a Volume that is deleted while used waits and says for whom; then its disk goes too', async () => {
    await on.volumes.create('data', { reclaimPolicy: 'Delete' });
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.volumes.remove('data');
    await eventually(async () => (await on.volumes.message('data')).includes(`${on.yard.namespace}/web`));
    expect(on.disk(on.here, 'data')).toBeDefined();
    expect(await on.ready('web')).toMatch(/^True/);
    await on.yard.remove('web');
    await eventually(() => on.volumes.isGone('data'));
    expect(on.disk(on.here, 'data')).toBeUndefined();
  });

  test('a kept disk is found again by a Volume of its name, wherever the next instance is', async () => {
    await on.volumes.create('data');
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    const before = on.disk(on.here, 'data')?.id;
    await on.yard.remove('web');
    await on.volumes.remove('data');
    await eventually(() => on.volumes.isGone('data'));
    expect(on.disk(on.here, 'data')?.id).toBe(before);
    await on.run('worker', on.there, mounting('data'));
    await on.isWaiting('worker', 'VolumeNotFound');
    await on.volumes.create('data');
    await on.isWaiting('worker', 'VolumeElsewhere');
    expect(on.disk(on.there, 'data')).toBeUndefined();
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    expect(on.disk(on.here, 'data')?.id).toBe(before);
  });

  test('the last word on the disk counts, even one that came after the deletion', async () => {
    await on.volumes.create('data', { reclaimPolicy: 'Delete' });
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.here.agent.close();
    await on.volumes.remove('data');
    await on.volumes.merge('data', { spec: { reclaimPolicy: 'Retain' } });
    await on.yard.remove('web');
    await on.startAgent(on.here);
    await eventually(() => on.volumes.isGone('data'));
    expect(on.disk(on.here, 'data')?.reclaimPolicy).toBe('Retain');
  });

  test('a namespace that is deleted takes instances and Volumes with it, in their order', async () => {
    await on.volumes.create('data', { reclaimPolicy: 'Delete' });
    await on.volumes.create('kept');
    const [first] = mounting('data').volumes as readonly unknown[];
    const [second] = mounting('kept').volumes as readonly unknown[];
    await on.run('web', on.here, { volumes: [first, second] });
    await on.isReady('web');
    await must(on.plane.admin, { method: 'DELETE', path: `/api/v1/namespaces/${on.yard.namespace}` });
    await eventually(async () => {
      const path = `/api/v1/namespaces/${on.yard.namespace}`;
      return (await on.plane.admin.ask({ method: 'GET', path })).status === 404;
    }, 60_000);
    expect(on.disk(on.here, 'data')).toBeUndefined();
    expect(on.disk(on.here, 'kept')).toBeDefined();
  });

  test('it grows for the next run', async () => {
    await on.volumes.create('data');
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.volumes.merge('data', { spec: { size: '48MB' } });
    await eventually(async () => (await on.volumes.message('data')).includes('grows to 48MB'));
    await on.yard.merge('web', { spec: { state: 'Stopped' } });
    await on.stands('data', `Available ${on.here.name} True`);
    await on.yard.merge('web', { spec: { state: 'Running' } });
    await on.stands('data', `InUse ${on.here.name} True`);
    expect(valueAt((await on.volumes.read('data')).body, ['status', 'size'])).toBe('48MB');
  });

  test('readers share it, and a writer waits for them', async () => {
    await on.volumes.create('data');
    for (const name of ['one', 'two']) await on.run(name, on.here, mounting('data', { readonly: true }));
    for (const name of ['one', 'two']) await on.isReady(name);
    await on.run('writer', on.here, mounting('data'));
    await on.isWaiting('writer', 'VolumeInUse');
    await eventually(async () => {
      const users = listOf(valueAt((await on.volumes.read('data')).body, ['status', 'usedBy']));
      return users.length === 2 && users.every((user) => String(user).endsWith('(read-only)'));
    });
    for (const name of ['one', 'two']) await on.yard.remove(name);
    await on.isReady('writer');
  });

  test('an archive of a host is refused with the way out', async () => {
    await on.volumes.create('data', { source: { archive: '/srv/files.tar' } });
    await on.run('web', on.here, mounting('data'));
    await on.isWaiting('web', 'Invalid');
    await eventually(async () => (await on.volumes.message('data')).includes('use image'));
  });

  test.each(['1.32', '1.20'] as const)('kubectl %s shows it by every one of its names', async (version) => {
    await on.volumes.create('data');
    await on.run('web', on.here, mounting('data'));
    await on.stands('data', `InUse ${on.here.name} True`);
    const kubectl = (...args: readonly string[]): Promise<string> =>
      on.plane.kubectl(version, '-n', on.yard.namespace, ...args);
    for (const name of ['volume', 'volumes', 'ivol', 'volumes.hypeman.dev'])
      expect(await kubectl('get', name)).toMatch(
        new RegExp(`data +InUse +32MB +${on.here.name} +\\["${on.yard.namespace}/web \\(read-write\\)"\\]`),
      );
    await kubectl('wait', '--for=condition=Ready', '--timeout=20s', 'ivol/data');
  });

  test('the command line shows it with the table of directory mode', async () => {
    await on.volumes.create('data');
    await on.volumes.create('idle', { size: '1GB', reclaimPolicy: 'Delete' });
    await on.run('web', on.here, mounting('data'));
    await on.stands('data', `InUse ${on.here.name} True`);
    const kubeconfig = await on.plane.kubeconfig('admin');
    const words = ['get', 'volumes', '--kubeconfig', kubeconfig, '-n', on.yard.namespace];
    const { stdout } = await clusterCli(words);
    expect(stdout.replace(/ {2,}/g, '|').replace(/\|\d+s\|/, '|AGE|')).toBe(
      [
        'NAME|SIZE|USED BY|RECLAIM|AGE|STATE',
        `data|32MB|${on.yard.namespace}/web (read-write)|Retain|AGE|InUse`,
        'idle|1GB|<none>|Delete|<none>|Pending',
        '',
      ].join('\n'),
    );
  });
});
