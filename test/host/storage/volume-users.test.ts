import { mkdir, open, stat } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import { instanceId, keyOf, volumeId } from '../../../src/machine/ids.ts';
import { ownerFor, SHARED_GID } from '../../../src/machine/owner.ts';
import type { InstanceRecord } from '../../../src/machine/record.ts';
import { openVolumes } from '../../../src/storage/open-volumes.ts';
import { KEY, MIB, user, volumesStage, wish } from '../../support/volumes-stage.ts';

const A = instanceId('a'.repeat(24));
const stage = volumesStage();

describe('the VMM of a user', () => {
  const owner = ownerFor(7);

  test('may open what it writes and nobody else; with the last user gone it is root again', async () => {
    await stage.volumes.create(wish());
    const path = await stage.diskPath();
    stage.records = [user('web', false)];
    await stage.volumes.handOver(path, { instance: keyOf('default', 'web'), owner, readonly: false });
    expect(await stat(path)).toMatchObject({ uid: owner.uid, gid: owner.gid });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await stage.volumes.takeBack(KEY);
    expect(await stat(path)).toMatchObject({ uid: owner.uid });
    stage.records = [];
    await stage.volumes.takeBack(KEY);
    expect(await stat(path)).toMatchObject({ uid: 0, gid: 0 });
  });

  test('may only read what is shared, and it is in order by then', async () => {
    await stage.volumes.create(wish());
    const path = await stage.diskPath();
    await commandOutput('debugfs', ['-w', '-R', 'feature needs_recovery', path]);
    stage.records = [user('web', true)];
    await stage.volumes.handOver(path, { instance: keyOf('default', 'web'), owner, readonly: true });
    expect(await stat(path)).toMatchObject({ uid: 0, gid: SHARED_GID });
    expect((await stat(path)).mode & 0o777).toBe(0o440);
    expect(await commandOutput('dumpe2fs', ['-h', path])).not.toContain('needs_recovery');
  });

  test('is not given a filesystem to read that needs a repair by hand', async () => {
    await stage.volumes.create(wish());
    const path = await stage.diskPath();
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(256 * 1024), 0, 256 * 1024, 0);
    await file.close();
    stage.records = [user('web', true)];
    const taker = { instance: keyOf('default', 'web'), owner, readonly: true };
    await expect(stage.volumes.handOver(path, taker)).rejects.toMatchObject({ reason: 'VolumeDamaged' });
  });

  test('of two readers that start at once reads what is in order, too', async () => {
    await stage.volumes.create(wish());
    const path = await stage.diskPath();
    await commandOutput('debugfs', ['-w', '-R', 'feature needs_recovery', path]);
    stage.records = [user('one', true), user('two', true)];
    for (const name of ['one', 'two'])
      await stage.volumes.handOver(path, { instance: keyOf('default', name), owner, readonly: true });
    expect(await commandOutput('dumpe2fs', ['-h', path])).not.toContain('needs_recovery');
  });

  test('is given nothing that it has no claim on, and what another has stays as it is', async () => {
    await stage.volumes.create(wish());
    const path = await stage.diskPath();
    stage.records = [user('web', false)];
    await stage.volumes.handOver(path, { instance: keyOf('default', 'web'), owner, readonly: false });
    const other = { instance: keyOf('default', 'other'), owner: ownerFor(8), readonly: false };
    await expect(stage.volumes.handOver(path, other)).rejects.toMatchObject({ reason: 'VolumeInUse' });
    const reader = { instance: keyOf('default', 'web'), owner, readonly: true };
    await expect(stage.volumes.handOver(path, reader)).rejects.toMatchObject({ reason: 'VolumeInUse' });
    expect(await stat(path)).toMatchObject({ uid: owner.uid, gid: owner.gid });
  });

  test('has a layer of its own that grows and goes with the instance', async () => {
    await mkdir(`${stage.state}/instances/${A}`, { recursive: true });
    const layer = { instance: A, volume: volumeId('v'.repeat(24)), bytes: 16 * MIB, owner };
    expect(await stage.volumes.layerBytes(A, layer.volume)).toBeUndefined();
    await stage.volumes.fitLayer(layer);
    await stage.volumes.fitLayer({ ...layer, bytes: 32 * MIB });
    await stage.volumes.fitLayer(layer);
    expect(await stage.volumes.layerBytes(A, layer.volume)).toBe(32 * MIB);
  });
});

test('while a record cannot be read, nobody says that a volume is free: it stays, and as large as it is', async () => {
  await stage.volumes.create(wish({ reclaimPolicy: 'Delete' }));
  const unread = [
    { directory: `${stage.state}/instances/${A}`, message: 'its record is not used: repair it' },
  ];
  const careful = await openVolumes({
    ...{ roots: { state: stage.state, run: stage.state }, records: () => stage.records },
    unread: () => unread,
    unpackImage: stage.unpackImage,
  });
  expect(await careful.remove(KEY)).toBe(false);
  await expect(careful.grow(KEY, 64 * MIB)).rejects.toThrow('repair it');
  expect(await careful.look(KEY)).toMatchObject({ state: 'ready', bytes: 32 * MIB });
  unread.pop();
  expect(await careful.remove(KEY)).toBe(true);
});

describe('a claim', () => {
  test('is refused when another has it, and nothing is written', async () => {
    stage.records = [user('web', false)];
    let isWritten = false;
    const claim = stage.volumes.claim(user('other', true), () => {
      isWritten = true;
      return Promise.resolve();
    });
    await expect(claim).rejects.toMatchObject({ reason: 'VolumeInUse' });
    expect(isWritten).toBe(false);
  });

  test('of two at once has one winner', async () => {
    const write = (record: InstanceRecord) => async (): Promise<void> => {
      await new Promise((done) => setTimeout(done, 10));
      stage.records.push(record);
    };
    const claims = ['one', 'two', 'three'].map((name) => user(name, false));
    const ends = await Promise.allSettled(claims.map((record) => stage.volumes.claim(record, write(record))));
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(stage.volumes.usersOf(KEY)).toHaveLength(1);
  });

  test('is not asked again of who has it already', async () => {
    stage.records = [user('web', false), user('other', false)];
    let isWritten = false;
    await stage.volumes.claim(user('web', false), () => {
      isWritten = true;
      return Promise.resolve();
    });
    expect(isWritten).toBe(true);
  });
});
