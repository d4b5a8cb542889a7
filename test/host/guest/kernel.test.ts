import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBootFields, writeBootArchive } from '../../../src/guest/boot-archive.ts';
import { isElf } from '../../../src/guest/kernel-image.ts';
import { findKernel, installKernel } from '../../../src/guest/kernel.ts';
import { commandOutput } from '../../../src/host/exec.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { Secret } from '../../../src/secrets/secret.ts';

const cacheDir = new URL('../../../.cache/kernel', import.meta.url).pathname;
const sharedGid = 0x70000000;
let state: string;

beforeAll(async () => {
  state = await mkdtemp(join(tmpdir(), 'hypeman-kernel-test-'));
});
afterAll(async () => {
  await rm(state, { recursive: true });
});

test('Debian’s cloud kernel becomes an ELF image and an initramfs that the shared group may read', async () => {
  const place = { roots: { state, run: state }, sharedGid };
  expect(await findKernel(place)).toMatchObject({
    state: 'missing',
    problem: expect.stringContaining('setup') as unknown,
  });
  const lines: string[] = [];
  const kernel = await installKernel({ ...place, cacheDir, report: (line) => lines.push(line) });
  expect(isElf(await readFile(kernel.path))).toBe(true);
  expect(await findKernel(place)).toEqual(kernel);
  for (const path of [kernel.path, kernel.initrd]) {
    const { gid, mode } = await stat(path);
    expect({ gid, mode: mode & 0o777 }).toEqual({ gid: sharedGid, mode: 0o640 });
  }
  const names = (await commandOutput('cpio', ['-t', '--quiet', '-F', kernel.initrd])).split('\n');
  expect(names).toEqual(
    expect.arrayContaining(['init', 'modules/order', 'modules/virtio_blk.ko', 'modules/erofs.ko']),
  );
  // What a module needs comes before it.
  expect(names.indexOf('modules/virtio_ring.ko')).toBeLessThan(names.indexOf('modules/virtio_pci.ko'));
  await installKernel({ ...place, cacheDir, report: (line) => lines.push(line) });
  expect(lines.at(-1)).toMatch(/there already/);
});

test('an initramfs that is gone, or of another init, is made anew', async () => {
  const place = { roots: { state, run: state }, sharedGid };
  const kernel = await findKernel(place);
  if (kernel.state !== 'ready') throw new Error(kernel.problem);
  const before = await readFile(kernel.initrd);
  await rm(kernel.initrd);
  await findKernel(place);
  expect((await readFile(kernel.initrd)).equals(before)).toBe(true);
});

test('a kernel of the user’s own that is none is a problem in words, not a crash', async () => {
  const path = join(state, 'not-a-kernel');
  await writeFile(path, 'hello');
  const place = { roots: { state, run: state }, sharedGid };
  expect(await findKernel({ ...place, given: { path } })).toMatchObject({
    state: 'missing',
    problem: expect.stringContaining('cannot be used as a kernel') as unknown,
  });
  expect(await findKernel({ ...place, given: { path: '/nowhere' } })).toMatchObject({ state: 'missing' });
});

test('a boot archive is the base and the config in one file that only its VMM may read', async () => {
  const base = join(state, 'base.cpio');
  await commandOutput('cpio', ['-o', '-H', 'newc', '--quiet', '-F', base], {
    cwd: '/etc',
    input: 'hostname\n',
  });
  const paths = { bootArchive: join(state, 'boot.cpio'), bootFields: join(state, 'boot.json') };
  const boot = {
    ...{ id: instanceId('abc'), hostname: 'web', argv: ['run'], imageEnv: {}, workdir: '/', user: '' },
    ...{ stopSignal: 'SIGTERM', agent: true },
  };
  expect(await readBootFields(paths)).toBeUndefined();
  const owner = { uid: sharedGid + 1, gid: sharedGid + 1, sharedGid };
  await writeBootArchive({
    base,
    paths,
    boot,
    env: { KEY: new Secret('plain') },
    fields: { vcpus: '2' },
    owner,
  });
  const { uid, gid, mode } = await stat(paths.bootArchive);
  expect({ uid, gid, mode: mode & 0o777 }).toEqual({ uid: 0, gid: owner.gid, mode: 0o440 });
  const archive = await readFile(paths.bootArchive);
  expect(archive.subarray(0, 110).equals((await readFile(base)).subarray(0, 110))).toBe(true);
  expect(archive.includes('eKEY=plain\0')).toBe(true);
  expect(await readBootFields(paths)).toEqual({ vcpus: '2' });
});
