import { chmod, chown, link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import type { VolumeDisk, VolumeWish } from '../../../src/machine/volume.ts';
import { layerWithCapability } from '../../support/capability-layer.ts';
import { openImageLab } from '../../support/image-lab.ts';
import type { ImageLab } from '../../support/image-lab.ts';
import { addImage, makeLayer, nameInLayout } from '../../support/oci-layout.ts';
import { KEY, MIB, volumesStage, wish } from '../../support/volumes-stage.ts';

const stage = volumesStage();
let lab: ImageLab;
let layout: string;
let seen: VolumeDisk[];

beforeEach(async () => {
  lab = await openImageLab();
  layout = `${lab.directory}/layout`;
  await mkdir(layout);
  const store = await lab.open();
  seen = [];
  stage.unpackImage = async (reference, to) => {
    seen.push(await stage.volumes.look(KEY));
    return store.unpack(reference, to);
  };
});
afterEach(async () => {
  await lab.close();
});

async function tag(name: string, ...layers: readonly string[]): Promise<string> {
  const image = await addImage(layout, layers, {});
  await nameInLayout(layout, name, image);
  return image.digest;
}

function layerOf(name: string, fill: (root: string) => Promise<void>): Promise<string> {
  return makeLayer(`${lab.directory}/${name}.tar`, fill);
}

async function filled(changes: Partial<VolumeWish> = {}): Promise<VolumeDisk> {
  const source = { from: 'image', reference: `oci:${layout}:v1` } as const;
  await stage.volumes.create(wish({ source, ...changes }));
  for (;;) {
    const disk = await stage.volumes.look(KEY);
    if (disk.state !== 'making') return disk;
    await sleep(20);
  }
}

async function asks(question: string): Promise<string> {
  return commandOutput('debugfs', ['-R', question, await stage.diskPath()]);
}

test('an image fills a new volume with its files as its layers have them, and its digest is kept', async () => {
  const below = await layerOf('below', async (root) => {
    await mkdir(`${root}/d`);
    await writeFile(`${root}/d/removed`, 'x');
    await writeFile(`${root}/d/changed`, 'below');
    await writeFile(`${root}/tool`, 'x');
    await chown(`${root}/tool`, 1000, 50);
    await chmod(`${root}/tool`, 0o4755);
    await link(`${root}/tool`, `${root}/same-tool`);
    await symlink('/nowhere', `${root}/dangling`);
    await commandOutput('mknod', [`${root}/null`, 'c', '1', '3']);
  });
  const above = await layerOf('above', async (root) => {
    await mkdir(`${root}/d`);
    await writeFile(`${root}/d/.wh.removed`, '');
    await writeFile(`${root}/d/changed`, 'above');
  });
  const digest = await tag('v1', below, await layerWithCapability(lab.directory, 1_500_000_000), above);

  expect(await filled()).toMatchObject({ state: 'ready', bytes: 32 * MIB });
  await commandOutput('e2fsck', ['-f', '-n', await stage.diskPath()]);
  expect(await asks('stat /tool')).toMatch(/Mode: +04755.*User: +1000 +Group: +50.*Links: 2/s);
  const inodeOf = async (path: string): Promise<string> =>
    /Inode: (\d+)/.exec(await asks(`stat ${path}`))?.[1] ?? path;
  expect(await inodeOf('/same-tool')).toBe(await inodeOf('/tool'));
  expect(await asks('stat /null')).toMatch(/Type: character special.*major\/minor number: 01:03/s);
  expect(await asks('stat /dangling')).toContain('Fast link dest: "/nowhere"');
  expect(await asks('ea_list /ping')).toContain('security.capability (20)');
  expect(await asks('cat /d/changed')).toBe('above');
  expect(await asks('ls -p /d')).not.toContain('removed');

  const reopened = await stage.opened();
  expect(reopened.of(KEY)?.image).toEqual({ reference: `oci:${layout}:v1`, digest });
  expect(seen).toEqual([{ state: 'making' }]);
  expect(await readdir(`${stage.state}/volumes/${'v'.repeat(24)}`)).toEqual(['disk.img', 'volume.json']);
  expect(await readdir(`${lab.roots.state}/images`)).toEqual([]);
});

test('a tag that has moved since changes nothing of a volume that is there', async () => {
  await tag('v1', await layerOf('one', (root) => writeFile(`${root}/file`, 'one')));
  await filled();
  await tag('v1', await layerOf('two', (root) => writeFile(`${root}/file`, 'two')));
  await filled();
  expect(await asks('cat /file')).toBe('one');
  expect(seen).toHaveLength(1);
});

test('an image that is not there, or too large, says so, leaves nothing, and may be mended', async () => {
  expect(await filled()).toMatchObject({ state: 'failed', reason: 'ImageNotFound' });
  await tag(
    'v1',
    await layerOf('big', async (root) => {
      for (const half of ['one', 'two']) await writeFile(`${root}/${half}`, Buffer.alloc(20 * MIB, half));
    }),
  );
  expect(await filled()).toMatchObject({
    state: 'failed',
    reason: 'VolumeTooSmall',
    message: `the files of the image oci:${layout}:v1 do not fit into the volume: make spec.size larger`,
  });
  expect(await readdir(`${stage.state}/volumes`)).toEqual([]);
  expect(await filled({ bytes: 128 * MIB })).toMatchObject({ state: 'ready' });
});

test('what fails again and again is tried less and less often', async () => {
  const waits: number[] = [];
  for (let round = 0; round < 8; round++) {
    const before = Date.now();
    const disk = await filled();
    if (disk.state === 'failed') waits.push(Math.round(((disk.retryAt ?? 0) - before) / 10_000));
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  stage.volumes.tryAgain(KEY);
  expect(await stage.volumes.look(KEY)).toEqual({ state: 'absent' });
});

test('a controller that ends while an image is unpacked leaves no volume, and waits for the tools', async () => {
  await tag('v1', await layerOf('one', (root) => writeFile(`${root}/file`, 'one')));
  const source = { from: 'image', reference: `oci:${layout}:v1` } as const;
  await stage.volumes.create(wish({ source }));
  await stage.volumes.close();
  expect(await readdir(`${stage.state}/volumes`)).toEqual([]);
  expect((await readdir(`${lab.roots.state}/images`)).filter((name) => name.startsWith('.'))).toEqual([]);
});

test('progress is told while a volume is filled', async () => {
  const told: VolumeDisk[] = [];
  stage.unpackImage = async (_reference, { directory, tell }) => {
    await mkdir(directory);
    tell('downloading 1.0 MB of 2.0 MB (50 %)');
    told.push(await stage.volumes.look(KEY));
    return { digest: `sha256:${'0'.repeat(64)}` };
  };
  await filled();
  expect(told).toEqual([{ state: 'making', progress: 'downloading 1.0 MB of 2.0 MB (50 %)' }]);
  expect(
    JSON.parse(await readFile(`${stage.state}/volumes/${'v'.repeat(24)}/volume.json`, 'utf8')),
  ).toMatchObject({
    image: { digest: `sha256:${'0'.repeat(64)}` },
  });
});
