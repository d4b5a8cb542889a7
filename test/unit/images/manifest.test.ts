import { describe, expect, test } from 'vitest';
import { digestOf, entryFor, parseConfig, parseManifest } from '../../../src/images/manifest.ts';
import { measure, resolveDigest } from '../../../src/images/resolve.ts';
import type { ManifestReader } from '../../../src/images/resolve.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' } as const;
const IMAGE = JSON.stringify({
  schemaVersion: 2,
  config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: 'sha256:c', size: 3 },
  layers: [{ size: 100 }, { size: 23 }],
});
const entry = (digest: string, architecture: string, os = 'linux'): object => ({
  digest,
  platform: { os, architecture },
});

describe('a manifest', () => {
  test('of an image tells its configuration and how much there is to fetch', () => {
    expect(parseManifest(IMAGE)).toEqual({ is: 'image', configDigest: 'sha256:c', layerBytes: 123 });
  });

  test('of Docker schema 2 is read as well', () => {
    const docker = IMAGE.replace('vnd.oci.image.config.v1', 'vnd.docker.container.image.v1');
    expect(parseManifest(docker)).toMatchObject({ is: 'image', layerBytes: 123 });
  });

  test.each([
    ['not json', 'not JSON'],
    ['[]', 'not an object'],
    ['{"schemaVersion":1,"fsLayers":[]}', 'neither of the OCI format'],
    [IMAGE.replace('image.config', 'chart.config'), 'artifact'],
  ])('%j cannot be used', (text, why) => {
    expect(() => parseManifest(text)).toThrow(why);
  });

  test('of several platforms gives the one of this host, past attestations', () => {
    const text = JSON.stringify({
      manifests: [entry('a', 'unknown', 'unknown'), entry('b', 'arm64'), entry('c', 'amd64')],
    });
    const index = parseManifest(text);
    if (index.is !== 'index') throw new Error('not an index');
    expect(entryFor(index.entries, AMD64).digest).toBe('c');
    expect(() => entryFor(index.entries.slice(0, 2), AMD64)).toThrow(
      'not come for linux/amd64, only for linux/arm64;',
    );
  });
});

describe('the configuration of an image', () => {
  const text = (config: object | null): string =>
    JSON.stringify({ os: 'linux', architecture: 'amd64', config });

  test('has the defaults of the specification', () => {
    expect(parseConfig(text(null), AMD64)).toEqual({
      entrypoint: [],
      cmd: [],
      env: {},
      workdir: '/',
      user: '',
      stopSignal: 'SIGTERM',
    });
  });

  test('is read whole', () => {
    const config = {
      Entrypoint: ['/bin/a', 'b'],
      Cmd: null,
      Env: ['A=1=2', 'B=', 'C', 'A=3', '=D'],
      WorkingDir: '/srv',
      User: '1000:50',
      StopSignal: 'SIGQUIT',
    };
    expect(parseConfig(text(config), AMD64)).toEqual({
      entrypoint: ['/bin/a', 'b'],
      cmd: [],
      env: { A: '3', B: '', C: '' },
      workdir: '/srv',
      user: '1000:50',
      stopSignal: 'SIGQUIT',
    });
  });

  test('may name a variable __proto__ and only means a variable', () => {
    const { env } = parseConfig(text({ Env: ['__proto__=x'] }), AMD64);
    expect(Object.entries(env)).toEqual([['__proto__', 'x']]);
  });

  test('for another processor is refused', () => {
    const arm = JSON.stringify({ os: 'linux', architecture: 'arm64', config: {} });
    expect(() => parseConfig(arm, AMD64)).toThrow('only for linux/arm64');
  });

  test.each([{ Entrypoint: 'sh' }, { Env: [1] }, { User: 5 }])('%j is refused', (config) => {
    expect(() => parseConfig(text(config), AMD64)).toThrow('cannot be used');
  });
});

describe('resolving', () => {
  const reader = (root: string): ManifestReader => ({
    root: () => Promise.resolve(root),
    manifest: () => Promise.resolve(IMAGE),
    config: () =>
      Promise.resolve(JSON.stringify({ os: 'linux', architecture: 'amd64', config: { User: 'app' } })),
  });

  test('a single image gives the digest of its bytes, a last newline included', async () => {
    expect(await resolveDigest(reader(IMAGE), AMD64)).toBe(digestOf(IMAGE));
    expect(await resolveDigest(reader(`${IMAGE}\n`), AMD64)).not.toBe(digestOf(IMAGE));
  });

  test('an index gives the digest for this platform, never its own', async () => {
    const index = JSON.stringify({ manifests: [entry('sha256:arm', 'arm64'), entry('sha256:amd', 'amd64')] });
    expect(await resolveDigest(reader(index), AMD64)).toBe('sha256:amd');
  });

  test('measuring tells the size and the configuration', async () => {
    expect(await measure(reader(IMAGE), 'sha256:x', AMD64)).toMatchObject({
      layerBytes: 123,
      config: { user: 'app' },
    });
  });
});
