import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import { volumeId, volumeKeyOf } from '../../../src/machine/ids.ts';
import type { VolumeWish } from '../../../src/machine/volume.ts';
import { KEY, MIB, user, volumesStage, wish } from '../../support/volumes-stage.ts';

const stage = volumesStage();

async function uuidOf(path: string): Promise<string> {
  return /Filesystem UUID: +(\S+)/.exec(await commandOutput('dumpe2fs', ['-h', path]))?.[1] ?? '';
}

async function listed(path: string, directory: string): Promise<string> {
  return commandOutput('debugfs', ['-R', `ls -p ${directory}`, path]);
}

describe('a volume', () => {
  test('is a clean ext4 of its size that takes little, and is found again by its name', async () => {
    expect(await stage.volumes.look(KEY)).toEqual({ state: 'absent' });
    await stage.volumes.create(wish());
    const path = await stage.diskPath();
    await commandOutput('e2fsck', ['-f', '-n', path]);
    const { size, blocks, mode, uid } = await stat(path);
    expect({ size, mode: mode & 0o777, uid }).toEqual({ size: 32 * MIB, mode: 0o600, uid: 0 });
    expect(blocks * 512).toBeLessThan(4 * MIB);
    expect(await (await stage.opened()).look(KEY)).toMatchObject({ state: 'ready', bytes: 32 * MIB, path });
  });

  test('that is there is never made again, whatever is wished', async () => {
    await stage.volumes.create(wish());
    const uuid = await uuidOf(await stage.diskPath());
    await stage.volumes.create(wish({ id: volumeId('w'.repeat(24)), bytes: 64 * MIB }));
    await (await stage.opened()).create(wish({ id: volumeId('x'.repeat(24)) }));
    expect(await uuidOf(await stage.diskPath())).toBe(uuid);
    expect(await readdir(`${stage.state}/volumes`)).toEqual(['v'.repeat(24)]);
  });

  test('whose disk was taken away is told of, and no empty one put in its place', async () => {
    await stage.volumes.create(wish());
    await rm(await stage.diskPath());
    await stage.volumes.create(wish());
    expect(await stage.volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'VolumeLost' });
  });

  test('grows with what is on it, never shrinks, and not under a user', async () => {
    await stage.volumes.create(wish());
    const uuid = await uuidOf(await stage.diskPath());
    stage.records = [user('web', true)];
    await expect(stage.volumes.grow(KEY, 64 * MIB)).rejects.toMatchObject({ reason: 'VolumeInUse' });
    stage.records = [user('web', true, true)];
    await stage.volumes.grow(KEY, 64 * MIB);
    await stage.volumes.grow(KEY, 16 * MIB);
    expect(await stage.volumes.look(KEY)).toMatchObject({ bytes: 64 * MIB });
    await commandOutput('e2fsck', ['-f', '-n', await stage.diskPath()]);
    expect(await uuidOf(await stage.diskPath())).toBe(uuid);
  });

  test('of two directories with one name: the older stays, the other is reported and kept', async () => {
    await stage.volumes.create(wish());
    const other = `${stage.state}/volumes/${'w'.repeat(24)}`;
    await mkdir(other);
    const text = await readFile(`${stage.state}/volumes/${'v'.repeat(24)}/volume.json`, 'utf8');
    const younger = { ...(JSON.parse(text) as object), id: 'w'.repeat(24), createdAt: Date.now() + 1000 };
    await writeFile(`${other}/volume.json`, JSON.stringify(younger));
    stage.volumes = await stage.opened();
    expect(stage.volumes.of(KEY)?.id).toBe('v'.repeat(24));
    expect(stage.volumes.problems()).toMatchObject([{ directory: other }]);
    expect(await stage.volumes.collect()).toEqual([]);
  });

  test.each(['', '{', '{"version":1}', '{"version":2,"id":"ID","key":"default/data","createdAt":1}'])(
    'whose volume.json is %j is reported and kept',
    async (text) => {
      await stage.volumes.create(wish());
      const directory = `${stage.state}/volumes/${'v'.repeat(24)}`;
      await writeFile(`${directory}/volume.json`, text.replace('ID', 'v'.repeat(24)));
      stage.volumes = await stage.opened();
      expect(stage.volumes.all()).toEqual([]);
      expect(stage.volumes.problems()).toMatchObject([{ directory }]);
      await stage.volumes.collect();
      expect(await stat(`${directory}/disk.img`)).toMatchObject({ size: 32 * MIB });
      const other = volumeKeyOf('default', 'other');
      const isNamed = text.includes('default/data');
      expect((await stage.volumes.look(other)).state).toBe(isNamed ? 'absent' : 'failed');
    },
  );

  test('whose volume.json cannot be read is not made anew, until its directory is gone', async () => {
    await stage.volumes.create(wish());
    const directory = `${stage.state}/volumes/${'v'.repeat(24)}`;
    await writeFile(`${directory}/volume.json`, '{');
    stage.volumes = await stage.opened();
    const anew = wish({ id: volumeId('w'.repeat(24)) });
    await expect(stage.volumes.create(anew)).rejects.toMatchObject({ reason: 'VolumeUnreadable' });
    expect(await stage.volumes.look(KEY)).toMatchObject({
      state: 'failed',
      reason: 'VolumeUnreadable',
      message: expect.stringContaining(
        `${directory} is not used, because its volume.json cannot be read`,
      ) as string,
    });
    expect(await readdir(`${stage.state}/volumes`)).toEqual(['v'.repeat(24)]);
    await rm(directory, { recursive: true });
    await stage.volumes.create(anew);
    expect(await stage.volumes.look(KEY)).toMatchObject({ state: 'ready' });
  });
});

describe('an archive', () => {
  async function archive(name = 'files.tar.gz'): Promise<string> {
    await mkdir(`${stage.state}/in/sub`, { recursive: true });
    await writeFile(`${stage.state}/in/sub/hello`, 'hello');
    await chmod(`${stage.state}/in/sub/hello`, 0o4751);
    await commandOutput('tar', [
      '-caf',
      `${stage.state}/${name}`,
      '--owner=1000',
      '--group=1001',
      '-C',
      `${stage.state}/in`,
      '.',
    ]);
    return `${stage.state}/${name}`;
  }

  function from(path: string): Pick<VolumeWish, 'source'> {
    return { source: { from: 'archive', path } };
  }

  async function filled(changes: Partial<VolumeWish>): Promise<void> {
    await stage.volumes.create(wish(changes));
    while ((await stage.volumes.look(KEY)).state === 'making') await sleep(20);
  }

  test.each(['files.tar', 'files.tar.gz', 'files.tar.xz'])('%s fills a new volume, once', async (name) => {
    await filled(from(await archive(name)));
    expect(await listed(await stage.diskPath(), '/sub')).toMatch(/\/104751\/1000\/1001\/hello\/5\//);
    await commandOutput('e2fsck', ['-f', '-n', await stage.diskPath()]);
    const uuid = await uuidOf(await stage.diskPath());
    await filled(from(await archive(name)));
    expect(await uuidOf(await stage.diskPath())).toBe(uuid);
    expect(await readdir(`${stage.state}/volumes/${'v'.repeat(24)}`)).toEqual(['disk.img', 'volume.json']);
  });

  test('that is missing, damaged, or too large says so, leaves nothing, and may be mended', async () => {
    await filled(from(`${stage.state}/none.tar`));
    expect(await stage.volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'ArchiveUnusable' });
    await writeFile(`${stage.state}/none.tar`, 'no archive');
    await filled(from(`${stage.state}/none.tar`));
    expect(await stage.volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'ArchiveUnusable' });
    await mkdir(`${stage.state}/in`, { recursive: true });
    for (const half of ['one', 'two'])
      await writeFile(`${stage.state}/in/${half}`, Buffer.alloc(20 * MIB, half));
    await filled(from(await archive()));
    expect(await stage.volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'VolumeTooSmall' });
    expect(await readdir(`${stage.state}/volumes`)).toEqual([]);
    await filled({ ...from(await archive()), bytes: 128 * MIB });
    expect(await stage.volumes.look(KEY)).toMatchObject({ state: 'ready' });
  });

  test('that leads out of the volume does not', async () => {
    await mkdir(`${stage.state}/in/a/b`, { recursive: true });
    await writeFile(`${stage.state}/outside`, 'kept');
    await writeFile(`${stage.state}/in/file`, 'evil');
    const path = `${stage.state}/evil.tar`;
    await commandOutput('tar', [
      '-cPf',
      path,
      '-C',
      `${stage.state}/in`,
      '--transform',
      `s,^file$,${stage.state}/outside,`,
      'file',
    ]);
    await filled(from(path));
    expect(await readFile(`${stage.state}/outside`, 'utf8')).toBe('kept');
  });
});

describe('removal', () => {
  test('takes what nobody has, and nothing else', async () => {
    await stage.volumes.create(wish());
    stage.records = [user('web', true)];
    expect(await stage.volumes.remove(KEY)).toBe(false);
    expect(await stage.diskPath()).toContain('disk.img');
    stage.records = [];
    expect(await stage.volumes.remove(KEY)).toBe(true);
    expect(await stage.volumes.look(KEY)).toEqual({ state: 'absent' });
    expect(await readdir(`${stage.state}/volumes`)).toEqual([]);
  });

  test('what interrupted work left is collected, and what is in the making is not', async () => {
    await mkdir(`${stage.state}/volumes/.making-old/files`, { recursive: true });
    await mkdir(`${stage.state}/volumes/.gone-old`, { recursive: true });
    await stage.volumes.create(wish());
    expect(await stage.volumes.collect()).toHaveLength(2);
    expect(await readdir(`${stage.state}/volumes`)).toEqual(['v'.repeat(24)]);
  });
});
