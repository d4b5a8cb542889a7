import {
  chmod,
  chown,
  mkdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
  lstat,
  link,
  readdir,
} from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { openImageLab, readyOf, SHARED_GID } from '../../support/image-lab.ts';
import type { ImageLab } from '../../support/image-lab.ts';
import { CAP_NET_RAW, layerWithCapability } from '../../support/capability-layer.ts';
import { addImage, addIndex, hostArchitecture, makeLayer, nameInLayout } from '../../support/oci-layout.ts';
import type { OciDescriptor } from '../../support/oci-layout.ts';

let lab: ImageLab;
let layout: string;
let mounted: string[];
beforeEach(async () => {
  lab = await openImageLab();
  layout = `${lab.directory}/layout`;
  mounted = [];
  await mkdir(layout);
});
afterEach(async () => {
  for (const path of mounted) await commandOutput('umount', [path]);
  await lab.close();
});

type Fill = (root: string) => Promise<void>;

async function addLayers(fills: readonly Fill[], architecture = hostArchitecture): Promise<OciDescriptor> {
  return addImage(layout, await tarsOf(fills), {}, { architecture });
}

/** Whether this kernel can show an erofs: fsck.erofs 1.5 extracts no setuid bit and no xattr. */
const canMount = await kernelHasErofs();

async function kernelHasErofs(): Promise<boolean> {
  await runCommand('modprobe', ['erofs']).catch(() => undefined);
  return (await readFile('/proc/filesystems', 'utf8')).includes('erofs');
}

async function tarsOf(fills: readonly Fill[]): Promise<readonly string[]> {
  const tars: string[] = [];
  for (const fill of fills) tars.push(await makeLayer(`${lab.directory}/${tars.length}.tar`, fill));
  return tars;
}

async function treeOfFilled(fills: readonly Fill[]): Promise<string> {
  return treeOf(await tarsOf(fills));
}

/** The tree of the root disk that is made of these layers, as a guest sees it. */
async function treeOf(tarFiles: readonly string[]): Promise<string> {
  await nameInLayout(layout, 'v1', await addImage(layout, tarFiles, {}));
  const image = readyOf(await lab.pulled(await lab.open(), { reference: `oci:${layout}:v1` }));
  const tree = `${lab.directory}/tree`;
  await mkdir(tree);
  if (canMount) {
    await commandOutput('mount', ['-t', 'erofs', '-o', 'loop,ro', image.rootDisk, tree]);
    mounted.push(tree);
  } else await commandOutput('fsck.erofs', [`--extract=${tree}`, '--preserve', image.rootDisk]);
  return tree;
}

describe('the root disk of an image', () => {
  test.skipIf(!canMount)('has owners, modes, links, devices and times as the layers have them', async () => {
    const layer = await makeLayer(`${lab.directory}/layer.tar`, async (root) => {
      await writeFile(`${root}/tool`, 'x');
      await chown(`${root}/tool`, 1000, 50);
      await chmod(`${root}/tool`, 0o4755);
      await link(`${root}/tool`, `${root}/same-tool`);
      await symlink('/nowhere/at/all', `${root}/dangling`);
      await mkdir(`${root}/tmp`);
      await chmod(`${root}/tmp`, 0o1777);
      await commandOutput('mknod', [`${root}/null`, 'c', '1', '3']);
    });
    const tree = await treeOf([layer]);
    const tool = await lstat(`${tree}/tool`);
    expect([tool.uid, tool.gid, tool.mode & 0o7777, tool.nlink]).toEqual([1000, 50, 0o4755, 2]);
    expect((await lstat(`${tree}/same-tool`)).ino).toBe(tool.ino);
    expect(tool.mtimeMs).toBe(0);
    expect((await stat(`${tree}/tmp`)).mode & 0o7777).toBe(0o1777);
    expect(await readlink(`${tree}/dangling`)).toBe('/nowhere/at/all');
    expect((await lstat(`${tree}/null`)).isCharacterDevice()).toBe(true);
  });

  test.skipIf(!canMount)('has the capabilities of files, and the time of each', async () => {
    const tree = await treeOf([await layerWithCapability(lab.directory, 1_500_000_000)]);
    expect((await stat(`${tree}/ping`)).mtimeMs).toBe(1_500_000_000_000);
    const xattrs = '--format=posix --xattrs --xattrs-include=* --create --file'.split(' ');
    await commandOutput('tar', [...xattrs, `${lab.directory}/back.tar`, `--directory=${tree}`, 'ping']);
    const back = await readFile(`${lab.directory}/back.tar`);
    expect(back.includes(Buffer.concat([Buffer.from('security.capability='), CAP_NET_RAW]))).toBe(true);
  });

  test('has what upper layers changed and not what they removed', async () => {
    const tree = await treeOfFilled([
      async (root) => {
        await mkdir(`${root}/kept`);
        await mkdir(`${root}/replaced`);
        for (const name of ['kept/a', 'kept/b', 'replaced/old']) await writeFile(`${root}/${name}`, 'below');
      },
      async (root) => {
        await mkdir(`${root}/kept`);
        await mkdir(`${root}/replaced`);
        await writeFile(`${root}/kept/.wh.a`, '');
        await writeFile(`${root}/kept/b`, 'above');
        await writeFile(`${root}/replaced/.wh..wh..opq`, '');
        await writeFile(`${root}/replaced/new`, 'above');
      },
    ]);
    expect((await readdir(tree)).sort()).toEqual(['kept', 'replaced']);
    expect(await readdir(`${tree}/kept`)).toEqual(['b']);
    expect(await readFile(`${tree}/kept/b`, 'utf8')).toBe('above');
    expect(await readdir(`${tree}/replaced`)).toEqual(['new']);
  });

  test('is made of layers that zstd compressed as well', async () => {
    const tars = await tarsOf([(root) => writeFile(`${root}/a`, 'a')]);
    const image = await addImage(layout, tars, {}, { compression: 'zstd' });
    await nameInLayout(layout, 'zstd', image);
    const state = readyOf(await lab.pulled(await lab.open(), { reference: `oci:${layout}:zstd` }));
    expect(state.digest).toBe(image.digest);
  });

  test('never writes outside: a layer that climbs over a link stays in its own tree', async () => {
    const outside = `${lab.directory}/outside`;
    await mkdir(outside);
    const tree = await treeOfFilled([
      async (root) => {
        await symlink(outside, `${root}/way`);
      },
      async (root) => {
        await mkdir(`${root}/way`);
        await writeFile(`${root}/way/mark`, 'x');
      },
    ]);
    expect(await readdir(outside)).toEqual([]);
    expect(await readFile(`${tree}/way/mark`, 'utf8')).toBe('x');
  });

  test('is read by the group of the VMMs and changed by none of them', async () => {
    await nameInLayout(layout, 'v1', await addLayers([(root) => writeFile(`${root}/a`, 'a')]));
    const image = readyOf(await lab.pulled(await lab.open(), { reference: `oci:${layout}:v1` }));
    await chmod(lab.directory, 0o711);
    await chmod(lab.roots.state, 0o711);
    const reads = (groups: readonly string[]): Promise<{ readonly exitCode: number }> =>
      runCommand(
        'setpriv',
        ['--reuid', '1879048193', '--regid', '1879048193', ...groups, 'cat', image.rootDisk],
        {
          exactOutput: true,
        },
      );
    expect((await reads(['--groups', `${SHARED_GID}`])).exitCode).toBe(0);
    expect((await reads(['--clear-groups'])).exitCode).not.toBe(0);
    const file = await stat(image.rootDisk);
    expect([file.uid, file.gid, file.mode & 0o777]).toEqual([0, SHARED_GID, 0o440]);
  });
});

describe('an image for several platforms', () => {
  test('gives the one of this host, pinned by its own digest', async () => {
    const other = hostArchitecture === 'amd64' ? 'arm64' : 'amd64';
    const theirs = await addLayers([(root) => writeFile(`${root}/theirs`, 'x')], other);
    const ours = await addLayers([(root) => writeFile(`${root}/ours`, 'x')]);
    await nameInLayout(layout, 'v1', await addIndex(layout, [theirs, ours]));
    await nameInLayout(layout, 'foreign', theirs);
    const store = await lab.open();
    expect(readyOf(await lab.pulled(store, { reference: `oci:${layout}:v1` })).digest).toBe(ours.digest);
    expect(await lab.pulled(store, { reference: `oci:${layout}:foreign` })).toMatchObject({
      reason: 'PlatformUnavailable',
      message: expect.stringContaining(`only for linux/${other}`) as string,
    });
  });
});

describe('an OCI layout', () => {
  test('without a tag in the reference gives its only image, or says which tags it has', async () => {
    const image = await addLayers([(root) => writeFile(`${root}/a`, 'a')]);
    await nameInLayout(layout, 'v1', image);
    const store = await lab.open();
    expect(readyOf(await lab.pulled(store, { reference: `oci:${layout}` })).digest).toBe(image.digest);
    await nameInLayout(layout, 'v2', image);
    expect(await lab.pulled(store, { reference: `oci:${layout}` })).toMatchObject({
      reason: 'ImageNotFound',
      message: expect.stringContaining('it has v1, v2') as string,
    });
  });

  test('keeps giving what was pinned when its tag has moved', async () => {
    const before = await addLayers([(root) => writeFile(`${root}/a`, 'before')]);
    await nameInLayout(layout, 'v1', await addLayers([(root) => writeFile(`${root}/a`, 'after')]));
    const store = await lab.open();
    const query = { reference: `oci:${layout}:v1`, digest: before.digest };
    expect(readyOf(await lab.pulled(store, query)).digest).toBe(before.digest);
  });

  test('that is not there, or is damaged, is a failure that names it', async () => {
    const store = await lab.open();
    const none = `oci:${lab.directory}/none`;
    expect(await lab.pulled(store, { reference: none })).toMatchObject({ reason: 'ImageNotFound' });
    const image = await addLayers([(root) => writeFile(`${root}/a`, 'a')]);
    await nameInLayout(layout, 'v1', image);
    const manifest = JSON.parse(
      await readFile(`${layout}/blobs/${image.digest.replace(':', '/')}`, 'utf8'),
    ) as {
      readonly layers: readonly [{ readonly digest: string }];
    };
    await writeFile(`${layout}/blobs/${manifest.layers[0].digest.replace(':', '/')}`, 'rotten');
    expect(await lab.pulled(store, { reference: `oci:${layout}:v1` })).toMatchObject({
      state: 'failed',
      fate: 'transient',
    });
    expect(await readdir(`${lab.roots.state}/images`)).toEqual(['references.json']);
    await rm(layout, { recursive: true });
  });
});
