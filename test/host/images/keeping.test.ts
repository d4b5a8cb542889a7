import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import { makeDemoImage } from '../../support/demo-image.ts';
import { openImageLab, readyOf, settled } from '../../support/image-lab.ts';
import type { ImageLab } from '../../support/image-lab.ts';

const MIB = 1024 ** 2;
const nothing = (): boolean => false;

let lab: ImageLab;
let reference: string;
let images: string;
beforeEach(async () => {
  lab = await openImageLab();
  reference = await makeDemoImage(`${lab.directory}/demo`);
  images = `${lab.roots.state}/images`;
});
afterEach(async () => {
  await lab.close();
});

describe('collecting', () => {
  test('removes what crashed pulls left, and leaves the pull that runs alone', async () => {
    const store = await lab.open();
    await mkdir(`${images}/.pull-crashed/rootfs`, { recursive: true });
    await writeFile(`${images}/.pull-crashed/rootfs/file`, 'x');
    await mkdir(`${images}/.gone-halfway`);
    store.pull({ reference });
    while (!(await readdir(images)).some((name) => name.startsWith('.pull-') && name !== '.pull-crashed'))
      await new Promise((resolve) => setTimeout(resolve, 2));
    const gone = await store.collect(nothing);
    expect([...gone].sort()).toEqual([`${images}/.gone-halfway`, `${images}/.pull-crashed`]);
    expect(await settled(store, { reference })).toMatchObject({ state: 'ready' });
  });

  test('removes an image that nobody needs any more after a week, not one that somebody needs', async () => {
    const store = await lab.open();
    const { digest, rootDisk } = readyOf(await lab.pulled(store, { reference }));
    const directory = rootDisk.replace(/\/[^/]*$/, '');
    const age = async (days: number): Promise<void> => {
      const at = Date.now() / 1000 - days * 86_400;
      await utimes(directory, at, at);
    };
    await age(6);
    expect(await store.collect(nothing)).toEqual([]);
    await age(8);
    expect(await store.collect((asked) => asked === digest)).toEqual([]);
    // Needed a moment ago: its week begins anew.
    expect(await store.collect(nothing)).toEqual([]);
    await age(8);
    expect(await store.collect(nothing)).toEqual([digest]);
    expect(await readdir(images)).toEqual(['references.json']);
    expect(await store.look({ reference, digest })).toEqual({ state: 'absent' });
  });
});

describe('an image in the cache', () => {
  test('that lost a part of its disk is not used, and is made again', async () => {
    const store = await lab.open();
    const { digest, rootDisk } = readyOf(await lab.pulled(store, { reference }));
    await truncate(rootDisk, 4096);
    expect(await store.look({ reference, digest })).toEqual({ state: 'absent' });
    readyOf(await lab.pulled(store, { reference }));
    await commandOutput('fsck.erofs', [rootDisk]);
    expect((await readdir(images)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

describe('a store that is closed', () => {
  test('has ended its pulls and left nothing of them', async () => {
    const store = await lab.open();
    store.pull({ reference });
    await new Promise((resolve) => setTimeout(resolve, 60));
    await store.close();
    expect((await readdir(images)).filter((name) => name.startsWith('.pull-'))).toEqual([]);
  });
});

describe('a controller that was killed in the middle of a pull', () => {
  test('leaves no image that is half there; the next one makes it whole', async () => {
    const module = new URL('../../../src/images/open-image-store.ts', import.meta.url).href;
    const program = `import { openImageStore } from ${JSON.stringify(module)};
      const store = await openImageStore({ roots: ${JSON.stringify(lab.roots)}, sharedGid: 0, onChange: async (reference) => {
        const state = await store.look({ reference });
        if (state.progress === 'unpacking') process.kill(process.pid, 'SIGKILL');
      } });
      store.pull({ reference: ${JSON.stringify(reference)} });`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
      stdio: 'inherit',
    });
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    const store = await lab.open();
    expect(await store.look({ reference })).toEqual({ state: 'absent' });
    await eventuallyEmptied(() => store.collect(nothing));
    readyOf(await lab.pulled(store, { reference }));
  });

  /** The tool that the dead controller had started may still be writing. */
  async function eventuallyEmptied(collect: () => Promise<unknown>): Promise<void> {
    for (let round = 0; round < 100; round += 1) {
      await collect();
      if (!(await readdir(images)).some((name) => name.startsWith('.pull-'))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('the left-overs stay');
  }
});

describe('a full disk', () => {
  let small: string;
  beforeEach(async () => {
    small = `${lab.directory}/small`;
    await mkdir(small);
    await commandOutput('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small]);
  });
  afterEach(async () => {
    await commandOutput('umount', [small]);
  });

  test.each([
    ['the layers are unpacked', 16],
    ['the root disk is made', 3],
  ])('is named, when it fills up while %s, and nothing of the pull stays', async (_when, mib) => {
    const files = { '/zeros': { text: '0'.repeat(mib * MIB) } };
    const big = await makeDemoImage(`${lab.directory}/big`, { files });
    const store = await lab.open({ roots: { state: small, run: small }, reserveBytes: 0 });
    expect(await lab.pulled(store, { reference: big })).toMatchObject({
      state: 'failed',
      fate: 'transient',
      reason: 'DiskFull',
      message: expect.stringMatching(/small\/images(\/.*)? is full/) as string,
    });
    expect((await readdir(`${small}/images`)).filter((name) => name.startsWith('.'))).toEqual([]);
    await commandOutput('mount', ['-o', 'remount,size=64m', small]);
    expect(await lab.pulled(store, { reference: big })).toMatchObject({ state: 'ready' });
  });

  test('is seen before a byte is fetched', async () => {
    await writeFile(`${small}/ballast`, Buffer.alloc(7 * MIB));
    const store = await lab.open({ roots: { state: small, run: small }, reserveBytes: 0 });
    expect(await lab.pulled(store, { reference })).toMatchObject({ reason: 'DiskFull' });
    expect(lab.told.map(({ state }) => (state.state === 'pulling' ? state.progress : ''))).not.toContain(
      'unpacking',
    );
  });

  test('is not made by us: the reserve of the running machines is left alone', async () => {
    const store = await lab.open({ roots: { state: small, run: small }, reserveBytes: 7 * MIB });
    expect(await lab.pulled(store, { reference })).toMatchObject({ reason: 'DiskFull' });
  });
});
