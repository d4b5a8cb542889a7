import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { mappingOf, valueAt } from '../../src/api/raw.ts';
import { volumeKeyOf } from '../../src/machine/ids.ts';
import { patchStatus } from '../support/cluster-cli-stage.ts';
import { controlPlaneMissing } from '../support/cluster-control-plane.ts';
import { allowAgent, forbidKind } from '../support/cluster-rights.ts';
import { eventually, must } from '../support/cluster-stage.ts';
import { volumeStage } from '../support/cluster-volume-stage.ts';
import { mounting } from '../support/cluster-volumes.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`agents and their Volumes ${missing ?? ''}`, () => {
  const on = volumeStage();

  test('an agent that is replaced takes nothing for deleted and writes nothing', async () => {
    await on.volumes.create('data', { reclaimPolicy: 'Delete' });
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.stands('data', `InUse ${on.here.name} True`);
    const before = (await on.volumes.read('data')).body;
    await on.here.agent.close();
    await on.startAgent(on.here);
    await on.here.agent.controller.settled();
    await sleep(1_000);
    const after = (await on.volumes.read('data')).body;
    expect(valueAt(after, ['metadata', 'resourceVersion'])).toBe(
      valueAt(before, ['metadata', 'resourceVersion']),
    );
    expect(on.disk(on.here, 'data')).toBeDefined();
  });

  test('what was deleted while no agent ran is dealt with by the next', async () => {
    await on.volumes.create('data', { reclaimPolicy: 'Delete' });
    await on.volumes.create('forced', { reclaimPolicy: 'Delete' });
    for (const name of ['data', 'forced']) await on.run(`on-${name}`, on.here, mounting(name));
    for (const name of ['data', 'forced']) await on.isReady(`on-${name}`);
    await on.stands('forced', `InUse ${on.here.name} True`);
    await on.here.agent.close();
    for (const name of ['data', 'forced']) await on.yard.remove(`on-${name}`);
    for (const name of ['data', 'forced']) await on.volumes.remove(name);
    await on.volumes.merge('forced', { metadata: { finalizers: null } });
    await on.startAgent(on.here);
    await eventually(() => on.volumes.isGone('data'));
    await eventually(() => on.here.node.workshops.volumes.all().length === 0);
  });

  test('somebody who moves the label, or takes our marks off, moves no disk', async () => {
    await on.volumes.create('data');
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.volumes.merge('data', { metadata: { labels: { 'hypeman.dev/node': on.there.name } } });
    await on.run('worker', on.there, mounting('data'));
    await on.isWaiting('worker', 'VolumeElsewhere');
    await eventually(async () => (await on.volumes.message('data')).includes(`is now ${on.there.name}`));
    await on.volumes.merge('data', {
      metadata: { labels: { 'hypeman.dev/node': on.here.name }, finalizers: null },
    });
    await eventually(async () => {
      const { body } = await on.volumes.read('data');
      return JSON.stringify(valueAt(body, ['metadata', 'finalizers'])) === '["hypeman.dev/volume"]';
    });
    await eventually(async () => (await on.volumes.message('data')) === '');
    expect(on.disk(on.there, 'data')).toBeUndefined();
  });

  test('a status that somebody else wrote is put right', async () => {
    await on.volumes.create('data');
    await on.run('web', on.here, mounting('data'));
    await on.isReady('web');
    await on.stands('data', `InUse ${on.here.name} True`);
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${on.yard.namespace}/volumes/data/status`;
    const patch = 'application/merge-patch+json';
    await must(on.plane.admin, { method: 'PATCH', path, patch, body: { status: { state: 'Failed' } } });
    await on.stands('data', `InUse ${on.here.name} True`);
  });

  test('an agent whose role is older than Volumes takes care of its Instances', async () => {
    await allowAgent(on.plane.admin);
    const allowVolumes = await forbidKind(on.plane.admin, 'volumes');
    await on.here.agent.close();
    await on.startAgent(on.here, 'agent');
    await on.volumes.create('data');
    await on.run('plain', on.here, {});
    await on.isReady('plain');
    await on.run('web', on.here, mounting('data'));
    await on.isWaiting('web', 'SourceLost');
    await allowVolumes();
    await on.isReady('web');
  });

  describe('an agent that ended goes on', () => {
    test('after it had taken one, and before it made the disk', async () => {
      await on.here.agent.close();
      const { uid } = mappingOf((await on.volumes.create('data')).metadata);
      await on.volumes.merge('data', {
        metadata: {
          labels: { 'hypeman.dev/node': on.here.name },
          annotations: { 'hypeman.dev/held-by': `${on.here.name} ${String(uid)}` },
          finalizers: ['hypeman.dev/volume'],
        },
      });
      await on.startAgent(on.here);
      await on.run('web', on.here, mounting('data'));
      await on.stands('data', `InUse ${on.here.name} True`);
    });

    test('after the disk was made, and before that was told', async () => {
      await on.volumes.create('data');
      await on.run('web', on.here, mounting('data'));
      await on.isReady('web');
      await on.here.agent.close();
      await patchStatus(on.plane.admin, on.volumes.path('data'), null);
      const before = on.disk(on.here, 'data');
      await on.startAgent(on.here);
      await on.stands('data', `InUse ${on.here.name} True`);
      expect(on.disk(on.here, 'data')).toEqual(before);
    });

    test('after the disk was removed, and before the Volume was let go', async () => {
      await on.volumes.create('data', { reclaimPolicy: 'Delete' });
      await on.run('web', on.here, mounting('data'));
      await on.isReady('web');
      await on.yard.remove('web');
      await on.stands('data', `Available ${on.here.name} True`);
      await on.here.agent.close();
      await on.volumes.remove('data');
      expect(await on.here.node.workshops.volumes.remove(volumeKeyOf(on.yard.namespace, 'data'))).toBe(true);
      await on.startAgent(on.here);
      await eventually(() => on.volumes.isGone('data'));
    });

    test('after another Volume took the name while it was away', async () => {
      await on.volumes.create('data', { reclaimPolicy: 'Delete' });
      await on.run('web', on.here, mounting('data'));
      await on.isReady('web');
      await on.here.agent.close();
      await on.volumes.remove('data');
      await on.volumes.merge('data', { metadata: { finalizers: null } });
      await on.run('worker', on.there, mounting('data'));
      await on.volumes.create('data');
      await on.isReady('worker');
      await on.startAgent(on.here);
      await on.here.agent.controller.settled();
      await on.yard.merge('web', { spec: { state: 'Stopped' } });
      await on.isReady('web');
      await on.yard.merge('web', { spec: { state: 'Running' } });
      await on.isWaiting('web', 'VolumeElsewhere');
      expect(on.disk(on.here, 'data')).toBeDefined();
      await on.stands('data', `InUse ${on.there.name} True`);
    });
  });
});
