import { readFile, readdir, stat } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeDemoImage } from '../../support/demo-image.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { openImageLab, readyOf, settled } from '../../support/image-lab.ts';
import type { ImageLab } from '../../support/image-lab.ts';
import { startRegistry } from '../../support/registry.ts';
import type { TestRegistry } from '../../support/registry.ts';

let registry: TestRegistry;
let sources: ImageLab;
let reference: string;
let right: Secret;
let wrong: Secret;
let lab: ImageLab;
beforeAll(async () => {
  registry = await startRegistry();
  sources = await openImageLab();
  reference = await registry.push(await makeDemoImage(`${sources.directory}/demo`), 'team/demo:v1');
  right = new Secret(await readFile(registry.authFile, 'utf8'));
  wrong = new Secret(await readFile(registry.wrongAuthFile, 'utf8'));
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
});

function trusting(): { readonly certDirectory: string } {
  return { certDirectory: registry.certDirectory };
}

function authDirectory(): string {
  return `${lab.roots.run}/registry-auth`;
}

describe('credentials of an instance', () => {
  test('open a registry that the host has none for, for this instance alone', async () => {
    const store = await lab.open(trusting());
    const mine = { reference, credentials: [right] };
    readyOf(await lab.pulled(store, mine));
    expect(await store.look({ reference })).toEqual({ state: 'absent' });
    expect(await lab.pulled(store, { reference })).toMatchObject({ reason: 'RegistryDenied' });
    expect(await lab.pulled(store, { reference, credentials: [wrong] })).toMatchObject({
      reason: 'RegistryDenied',
      message: expect.stringContaining('imagePullSecrets') as string,
    });
    readyOf(await store.look(mine));
  });

  test('go before those of the host, which are taken where a Secret is for other registries', async () => {
    const store = await lab.open({ ...trusting(), authFile: registry.authFile });
    expect(await lab.pulled(store, { reference, credentials: [wrong] })).toMatchObject({
      reason: 'RegistryDenied',
    });
    const others = new Secret(JSON.stringify({ auths: { 'other.example': { auth: 'YTpi' } } }));
    readyOf(await lab.pulled(store, { reference, credentials: [others] }));
  });

  test('of two who pull at once are not mixed', async () => {
    const store = await lab.open(trusting());
    const queries = [right, wrong, right].map((one) => ({ reference, credentials: [one] }));
    for (const query of queries) store.pull(query);
    const states = await Promise.all(queries.map((query) => settled(store, query)));
    expect(states.map(({ state }) => state)).toEqual(['ready', 'failed', 'ready']);
  });

  test('that were put right are asked with at once', async () => {
    const store = await lab.open(trusting());
    await lab.pulled(store, { reference, credentials: [wrong] });
    expect(await store.look({ reference, credentials: [right] })).toEqual({ state: 'absent' });
    readyOf(await lab.pulled(store, { reference, credentials: [right] }));
  });

  test('that cannot be read are a failure until they change, and no obstacle to what is here', async () => {
    const store = await lab.open(trusting());
    const broken = [new Secret('hunter2')];
    const { digest } = readyOf(await lab.pulled(store, { reference, credentials: [right] }));
    readyOf(await store.look({ reference, digest, credentials: broken }));
    store.pull({ reference, credentials: broken });
    const state = await store.look({ reference, credentials: broken });
    expect(state).toMatchObject({ reason: 'PullSecretUnreadable', retryAt: Infinity });
    expect(JSON.stringify(state)).not.toContain('hunter2');
  });

  test('do not stand in for a registry that is away with what another was given', async () => {
    const store = await lab.open(trusting());
    await lab.pulled(store, { reference, credentials: [right] });
    await registry.stop();
    expect(await lab.pulled(store, { reference, credentials: [wrong] })).toMatchObject({
      reason: 'RegistryUnreachable',
    });
    readyOf(await lab.pulled(store, { reference, credentials: [right] }));
  });

  test('are in a file that root alone reads, while it is needed, and nowhere afterwards', async () => {
    const store = await lab.open(trusting());
    const query = { reference, credentials: [right] };
    store.pull(query);
    let modes: readonly number[] = [];
    while (modes.length === 0) {
      const names = (await readdir(authDirectory()).catch(() => [])).filter((name) => !name.startsWith('.'));
      const files = await Promise.all(names.map((name) => stat(`${authDirectory()}/${name}`)));
      modes = files.map(({ mode }) => mode & 0o777);
    }
    expect(modes).toEqual([0o600]);
    expect((await stat(authDirectory())).mode & 0o777).toBe(0o700);
    readyOf(await settled(store, query));
    await store.close();
    expect(await readdir(authDirectory())).toEqual([]);
    const kept = await readFile(`${lab.roots.state}/images/references.json`, 'utf8').catch(() => '');
    expect(kept).not.toContain('demo');
  });

  test('open it for the files of a volume, too', async () => {
    const store = await lab.open(trusting());
    const unpacked = (name: string, credentials: readonly Secret[]): Promise<{ readonly digest: string }> =>
      store.unpack(reference, {
        ...{ directory: `${lab.directory}/${name}`, credentials },
        ...{ tell: () => undefined, signal: new AbortController().signal },
      });
    await expect(unpacked('none', [])).rejects.toMatchObject({ reason: 'RegistryDenied' });
    await expect(unpacked('wrong', [wrong])).rejects.toMatchObject({ reason: 'RegistryDenied' });
    await expect(unpacked('broken', [new Secret('hunter2')])).rejects.toMatchObject({
      reason: 'PullSecretUnreadable',
    });
    expect(await unpacked('right', [right])).toMatchObject({
      digest: expect.stringContaining('sha256:') as string,
    });
    expect((await readdir(`${lab.directory}/right`)).length).toBeGreaterThan(0);
    expect(await readdir(authDirectory())).toEqual([]);
  });
});
