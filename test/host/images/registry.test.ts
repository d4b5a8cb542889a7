import { readdir } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ImageStore } from '../../../src/images/image-store.ts';
import { makeDemoImage } from '../../support/demo-image.ts';
import { openImageLab, readyOf } from '../../support/image-lab.ts';
import type { ImageLab } from '../../support/image-lab.ts';
import { startRegistry } from '../../support/registry.ts';
import type { TestRegistry } from '../../support/registry.ts';

let registry: TestRegistry;
let sources: ImageLab;
let reference: string;
let lab: ImageLab;
beforeAll(async () => {
  registry = await startRegistry();
  sources = await openImageLab();
  reference = await registry.push(await makeDemoImage(`${sources.directory}/demo`), 'team/demo:v1');
});
afterAll(async () => {
  await sources.close();
  await registry.remove();
});
beforeEach(async () => {
  await registry.start();
  lab = await openImageLab();
});
afterEach(async () => {
  await lab.close();
  await registry.stop();
});

function trusted(): { readonly authFile: string; readonly certDirectory: string } {
  return { authFile: registry.authFile, certDirectory: registry.certDirectory };
}

function openTrusted(): Promise<ImageStore> {
  return lab.open(trusted());
}

describe('a private registry', () => {
  test('gives an image to who has the password, with progress on the way', async () => {
    const store = await openTrusted();
    expect(await store.look({ reference })).toEqual({ state: 'absent' });
    const image = readyOf(await lab.pulled(store, { reference }));
    expect(image.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(image.config.entrypoint).toEqual(['/bin/demo']);
    const said = lab.told.map(({ state }) => (state.state === 'pulling' ? state.progress : state.state));
    expect(said).toEqual(expect.arrayContaining([expect.stringMatching(/^downloading .* of /), 'unpacking']));
  });

  test('refuses a wrong password', async () => {
    const store = await lab.open({ ...trusted(), authFile: registry.wrongAuthFile });
    expect(await lab.pulled(store, { reference })).toMatchObject({
      state: 'failed',
      fate: 'transient',
      reason: 'RegistryDenied',
      message: expect.stringContaining('docker login') as string,
    });
  });

  test('refuses who has no password', async () => {
    const store = await lab.open({ certDirectory: registry.certDirectory });
    expect(await lab.pulled(store, { reference })).toMatchObject({ reason: 'RegistryDenied' });
  });

  test.each(['team/demo:v2', 'nobody/nothing:v1'])(
    'has no %s, and will be asked again in a minute',
    async (name) => {
      const store = await lab.open({ ...trusted(), now: () => 1000 });
      expect(await lab.pulled(store, { reference: `${registry.domain}/${name}` })).toMatchObject({
        fate: 'transient',
        reason: 'ImageNotFound',
        retryAt: 61_000,
      });
    },
  );

  test('with a certificate of an unknown authority gets no password', async () => {
    const store = await lab.open({ ...trusted(), certDirectory: registry.wrongCertDirectory });
    expect(await lab.pulled(store, { reference })).toMatchObject({
      reason: 'RegistryTlsError',
      message: expect.stringContaining('/etc/containers/certs.d/') as string,
    });
  });

  test('that is down is asked again, less and less often, and gives when it is back', async () => {
    await registry.stop();
    const store = await lab.open({ ...trusted(), now: () => 1000 });
    const down = { state: 'failed', fate: 'transient', reason: 'RegistryUnreachable' };
    expect(await lab.pulled(store, { reference })).toMatchObject({ ...down, retryAt: 2000 });
    expect(await lab.pulled(store, { reference })).toMatchObject({ ...down, retryAt: 3000 });
    await registry.start();
    expect(await lab.pulled(store, { reference })).toMatchObject({ state: 'ready' });
  });

  test('that is down does not stop an instance whose image is here already', async () => {
    const first = await openTrusted();
    const { digest } = readyOf(await lab.pulled(first, { reference }));
    await first.close();
    await registry.stop();
    const second = await openTrusted();
    const image = readyOf(await lab.pulled(second, { reference }));
    expect(image.digest).toBe(digest);
    expect(image.note).toContain('cannot be reached');
  });

  test('that refuses is not got around by what is here already', async () => {
    const first = await openTrusted();
    await lab.pulled(first, { reference });
    const second = await lab.open({ ...trusted(), authFile: registry.wrongAuthFile });
    expect(await lab.pulled(second, { reference })).toMatchObject({ reason: 'RegistryDenied' });
  });
});

describe('a digest', () => {
  test('that was pinned stays what it was when the tag has moved', async () => {
    const moving = await registry.push(await makeDemoImage(`${lab.directory}/a`), 'team/moving:v1');
    const store = await openTrusted();
    const { digest } = readyOf(await lab.pulled(store, { reference: moving }));
    await registry.push(
      await makeDemoImage(`${lab.directory}/b`, { config: { User: 'app' } }),
      'team/moving:v1',
    );

    const elsewhere = await openImageLab();
    const other = await elsewhere.open(trusted());
    const pinned = readyOf(await elsewhere.pulled(other, { reference: moving, digest }));
    expect([pinned.digest, pinned.config.user]).toEqual([digest, '']);
    const fresh = readyOf(await elsewhere.pulled(other, { reference: moving }));
    expect(fresh.digest).not.toBe(digest);
    expect(fresh.config.user).toBe('app');
    await elsewhere.close();
  });

  test('is found again after a restart without a registry', async () => {
    const first = await openTrusted();
    const { digest } = readyOf(await lab.pulled(first, { reference }));
    await first.close();
    await registry.stop();
    const second = await openTrusted();
    expect(await second.look({ reference, digest })).toMatchObject({ state: 'ready', digest });
  });

  test('of a tag is asked anew by an instance that comes later', async () => {
    let now = Date.now();
    const store = await lab.open({ ...trusted(), now: () => now });
    await lab.pulled(store, { reference });
    expect(await store.look({ reference })).toMatchObject({ state: 'ready' });
    now += 60_000;
    expect(await store.look({ reference })).toEqual({ state: 'absent' });
  });

  test('pulled under two names by four at once is fetched once', async () => {
    const twin = await registry.push(`oci:${sources.directory}/demo:latest`, 'team/twin:v1');
    const store = await openTrusted();
    const names = [reference, reference, twin, twin];
    const rooms = new Set<string>();
    const watch = setInterval(() => {
      void readdir(`${lab.roots.state}/images`).then((all) => {
        for (const name of all) if (name.startsWith('.pull-')) rooms.add(name);
      });
    }, 2);
    const images = await Promise.all(names.map((name) => lab.pulled(store, { reference: name })));
    clearInterval(watch);
    expect(new Set(images.map((image) => readyOf(image).rootDisk)).size).toBe(1);
    expect(rooms.size).toBe(1);
  });
});
