import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { keyOf, volumeId, volumeKeyOf } from '../../../src/machine/ids.ts';
import type { InstanceRecord } from '../../../src/machine/record.ts';
import type { VolumeWish } from '../../../src/machine/volume.ts';
import { openVolumes } from '../../../src/storage/open-volumes.ts';
import type { Volumes } from '../../../src/storage/volumes.ts';
import { aRecord, aRun } from '../../support/worlds.ts';

const MIB = 1024 ** 2;
const KEY = volumeKeyOf('default', 'data');

let state: string;
let records: InstanceRecord[];
let volumes: Volumes;

beforeEach(async () => {
  state = await mkdtemp(`${tmpdir()}/hypeman-volumes-`);
  records = [];
  volumes = await opened();
});
afterEach(async () => {
  await volumes.close();
  await rm(state, { recursive: true, force: true });
});

function opened(): Promise<Volumes> {
  return openVolumes({ roots: { state, run: state }, records: () => records });
}

function wish(changes: Partial<VolumeWish> = {}): VolumeWish {
  return { id: volumeId('v'.repeat(24)), key: KEY, bytes: 32 * MIB, reclaimPolicy: 'Retain', ...changes };
}

/** An instance whose open run has the volume. */
function user(name: string, readonly: boolean, over = false): InstanceRecord {
  const run = aRun({ volumes: [{ volume: 'data', mountPath: '/mnt/data', readonly, overlay: false }] });
  return aRecord({ key: keyOf('default', name), run, ...(over ? { stoppedAt: 1 } : {}) });
}

async function diskPath(): Promise<string> {
  const disk = await volumes.look(KEY);
  if (disk.state !== 'ready') throw new Error(`the disk is ${disk.state}`);
  return disk.path;
}

async function uuidOf(path: string): Promise<string> {
  return /Filesystem UUID: +(\S+)/.exec(await commandOutput('dumpe2fs', ['-h', path]))?.[1] ?? '';
}

async function listed(path: string, directory: string): Promise<string> {
  return commandOutput('debugfs', ['-R', `ls -p ${directory}`, path]);
}

describe('a volume', () => {
  test('is a clean ext4 of its size that takes little, and is found again by its name', async () => {
    expect(await volumes.look(KEY)).toEqual({ state: 'absent' });
    await volumes.create(wish());
    const path = await diskPath();
    await commandOutput('e2fsck', ['-f', '-n', path]);
    const { size, blocks, mode, uid } = await stat(path);
    expect({ size, mode: mode & 0o777, uid }).toEqual({ size: 32 * MIB, mode: 0o600, uid: 0 });
    expect(blocks * 512).toBeLessThan(4 * MIB);
    expect(await (await opened()).look(KEY)).toMatchObject({ state: 'ready', bytes: 32 * MIB, path });
  });

  test('that is there is never made again, whatever is wished', async () => {
    await volumes.create(wish());
    const uuid = await uuidOf(await diskPath());
    await volumes.create(wish({ id: volumeId('w'.repeat(24)), bytes: 64 * MIB }));
    await (await opened()).create(wish({ id: volumeId('x'.repeat(24)) }));
    expect(await uuidOf(await diskPath())).toBe(uuid);
    expect(await readdir(`${state}/volumes`)).toEqual(['v'.repeat(24)]);
  });

  test('whose disk was taken away is told of, and no empty one put in its place', async () => {
    await volumes.create(wish());
    await rm(await diskPath());
    await volumes.create(wish());
    expect(await volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'VolumeLost' });
  });

  test('grows with what is on it, never shrinks, and not under a user', async () => {
    await volumes.create(wish());
    const uuid = await uuidOf(await diskPath());
    records = [user('web', true)];
    await expect(volumes.grow(KEY, 64 * MIB)).rejects.toMatchObject({ reason: 'VolumeInUse' });
    records = [user('web', true, true)];
    await volumes.grow(KEY, 64 * MIB);
    await volumes.grow(KEY, 16 * MIB);
    expect(await volumes.look(KEY)).toMatchObject({ bytes: 64 * MIB });
    await commandOutput('e2fsck', ['-f', '-n', await diskPath()]);
    expect(await uuidOf(await diskPath())).toBe(uuid);
  });

  test('of two directories with one name: the older stays, the other is reported and kept', async () => {
    await volumes.create(wish());
    const other = `${state}/volumes/${'w'.repeat(24)}`;
    await mkdir(other);
    const text = await readFile(`${state}/volumes/${'v'.repeat(24)}/volume.json`, 'utf8');
    const younger = { ...(JSON.parse(text) as object), id: 'w'.repeat(24), createdAt: Date.now() + 1000 };
    await writeFile(`${other}/volume.json`, JSON.stringify(younger));
    volumes = await opened();
    expect(volumes.of(KEY)?.id).toBe('v'.repeat(24));
    expect(volumes.problems()).toMatchObject([{ directory: other }]);
    expect(await volumes.collect()).toEqual([]);
  });

  test.each(['', '{', '{"version":1}', '{"version":2,"id":"ID","key":"default/data","createdAt":1}'])(
    'whose volume.json is %j is reported and kept',
    async (text) => {
      await volumes.create(wish());
      const directory = `${state}/volumes/${'v'.repeat(24)}`;
      await writeFile(`${directory}/volume.json`, text.replace('ID', 'v'.repeat(24)));
      volumes = await opened();
      expect(volumes.all()).toEqual([]);
      expect(volumes.problems()).toMatchObject([{ directory }]);
      await volumes.collect();
      expect(await stat(`${directory}/disk.img`)).toMatchObject({ size: 32 * MIB });
    },
  );
});

describe('an archive', () => {
  async function archive(name = 'files.tar.gz'): Promise<string> {
    await mkdir(`${state}/in/sub`, { recursive: true });
    await writeFile(`${state}/in/sub/hello`, 'hello');
    await chmod(`${state}/in/sub/hello`, 0o4751);
    await commandOutput('tar', [
      '-caf',
      `${state}/${name}`,
      '--owner=1000',
      '--group=1001',
      '-C',
      `${state}/in`,
      '.',
    ]);
    return `${state}/${name}`;
  }

  async function filled(changes: Partial<VolumeWish>): Promise<void> {
    await volumes.create(wish(changes));
    while ((await volumes.look(KEY)).state === 'making') await sleep(20);
  }

  test.each(['files.tar', 'files.tar.gz', 'files.tar.xz'])('%s fills a new volume, once', async (name) => {
    await filled({ archive: await archive(name) });
    expect(await listed(await diskPath(), '/sub')).toMatch(/\/104751\/1000\/1001\/hello\/5\//);
    await commandOutput('e2fsck', ['-f', '-n', await diskPath()]);
    const uuid = await uuidOf(await diskPath());
    await filled({ archive: await archive(name) });
    expect(await uuidOf(await diskPath())).toBe(uuid);
    expect(await readdir(`${state}/volumes/${'v'.repeat(24)}`)).toEqual(['disk.img', 'volume.json']);
  });

  test('that is missing, damaged, or too large says so, leaves nothing, and may be mended', async () => {
    await filled({ archive: `${state}/none.tar` });
    expect(await volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'ArchiveUnusable' });
    await writeFile(`${state}/none.tar`, 'no archive');
    await filled({ archive: `${state}/none.tar` });
    expect(await volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'ArchiveUnusable' });
    await mkdir(`${state}/in`, { recursive: true });
    for (const half of ['one', 'two']) await writeFile(`${state}/in/${half}`, Buffer.alloc(20 * MIB, half));
    await filled({ archive: await archive() });
    expect(await volumes.look(KEY)).toMatchObject({ state: 'failed', reason: 'VolumeTooSmall' });
    expect(await readdir(`${state}/volumes`)).toEqual([]);
    await filled({ archive: await archive(), bytes: 128 * MIB });
    expect(await volumes.look(KEY)).toMatchObject({ state: 'ready' });
  });

  test('that leads out of the volume does not', async () => {
    await mkdir(`${state}/in/a/b`, { recursive: true });
    await writeFile(`${state}/outside`, 'kept');
    await writeFile(`${state}/in/file`, 'evil');
    const path = `${state}/evil.tar`;
    await commandOutput('tar', [
      '-cPf',
      path,
      '-C',
      `${state}/in`,
      '--transform',
      `s,^file$,${state}/outside,`,
      'file',
    ]);
    await filled({ archive: path });
    expect(await readFile(`${state}/outside`, 'utf8')).toBe('kept');
  });
});

describe('removal', () => {
  test('takes what nobody has, and nothing else', async () => {
    await volumes.create(wish());
    records = [user('web', true)];
    expect(await volumes.remove(KEY)).toBe(false);
    expect(await diskPath()).toContain('disk.img');
    records = [];
    expect(await volumes.remove(KEY)).toBe(true);
    expect(await volumes.look(KEY)).toEqual({ state: 'absent' });
    expect(await readdir(`${state}/volumes`)).toEqual([]);
  });

  test('what interrupted work left is collected, and what is in the making is not', async () => {
    await mkdir(`${state}/volumes/.making-old/files`, { recursive: true });
    await mkdir(`${state}/volumes/.gone-old`, { recursive: true });
    await volumes.create(wish());
    expect(await volumes.collect()).toHaveLength(2);
    expect(await readdir(`${state}/volumes`)).toEqual(['v'.repeat(24)]);
  });
});

test('killed at any moment, a volume is whole or absent, and never made twice', async () => {
  const uuids = new Map<string, string>();
  for (let round = 0; round < 15; round++) {
    await killedAfter(round * 23);
    const after = await opened();
    expect(after.problems()).toEqual([]);
    await after.collect();
    for (const { id } of after.all()) {
      const path = `${state}/volumes/${id}/disk.img`;
      expect((await runCommand('e2fsck', ['-f', '-p', path])).exitCode).toBeLessThanOrEqual(2);
      const uuid = await uuidOf(path);
      expect(uuids.get(id) ?? uuid).toBe(uuid);
      uuids.set(id, uuid);
    }
    expect((await readdir(`${state}/volumes`)).filter((name) => name.startsWith('.'))).toEqual([]);
  }
  expect(uuids.size).toBeGreaterThan(2);
}, 120_000);

/** From the first volume on; the programs that it had begun end by themselves. */
async function killedAfter(ms: number): Promise<void> {
  const script = new URL('../../support/volumes-forever.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, state], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  await sleep(ms);
  child.kill('SIGKILL');
  await exit;
  await sleep(300);
}
