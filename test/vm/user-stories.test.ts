import { cp, mkdir, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { cli, conditionOf, declare, eventually, getInstance } from '../support/controller-process.ts';
import { DEMO_PORT } from '../support/demo-image.ts';
import { fetchText } from '../support/http.ts';
import { startRegistry } from '../support/registry.ts';
import type { TestRegistry } from '../support/registry.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

let house: TestHouse;
let registry: TestRegistry;

beforeAll(async () => {
  registry = await startRegistry();
  // skopeo's own place for the certificates of a registry (containers-certs.d(5)).
  await mkdir('/etc/containers/certs.d', { recursive: true });
  await cp(registry.certDirectory, `/etc/containers/certs.d/${registry.domain}`, { recursive: true });
  house = await openTestHouse('10.113.0.0/24', ['--registry-auth', registry.authFile]);
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
  await rm(`/etc/containers/certs.d/${registry.domain}`, { recursive: true, force: true });
  await registry.remove();
});

async function ipOf(name: string): Promise<string> {
  return (await getInstance(house.place, name))?.status.network?.ip ?? '';
}

/** Bytes per second of one download from a guest. */
async function rateOf(name: string, path: string): Promise<number> {
  const url = `http://${await ipOf(name)}:${DEMO_PORT}${path}`;
  const started = Date.now();
  const answer = await fetch(url);
  const { byteLength } = await answer.arrayBuffer();
  return byteLength / ((Date.now() - started) / 1000);
}

test('an image of a private registry is pulled with its password, pinned, and runs', async () => {
  const reference = await registry.push(house.image, 'team/demo:1');
  await house.declareDemo('private', { image: reference });
  const ready = await house.untilReady('private');
  expect(ready.status.image).toContain('@sha256:');
  expect(await fetchText(`http://${await ipOf('private')}:${DEMO_PORT}/`)).toContain('hypeman');
});

test('an image that is not there says so, and comes up once it is pushed', async () => {
  const missing = (await registry.push(house.image, 'team/demo:1')).replace('demo:1', 'late:1');
  await house.declareDemo('late', { image: missing });
  const waiting = await eventually(
    'the reason',
    () => getInstance(house.place, 'late'),
    (seen) => seen?.status.conditions.some(({ reason }) => reason === 'ImageNotFound') === true,
  );
  expect(conditionOf(waiting, 'Ready')).toBe('False');
  await registry.push(house.image, 'team/late:1');
  await house.declareDemo('late', { image: missing, tags: { touched: 'yes' } });
  await house.untilReady('late');
  await house.remove('late');
});

test('an instance without a network has no device and still answers exec', async () => {
  await house.declareDemo('offline', { network: { enabled: false } });
  await house.untilReady('offline');
  const { stdout } = await cli(house.place, 'exec', 'offline', '--', 'ls', '/sys/class/net');
  expect(stdout.trim()).toBe('lo');
  await house.remove('offline');
});

test('guests cannot reach each other; the host can reach both', async () => {
  await house.declareDemo('other', {});
  await house.untilReady('other');
  const other = `http://${await ipOf('other')}:${DEMO_PORT}/`;
  expect(await fetchText(other)).toContain('other');
  const own = await cli(
    house.place,
    ...['exec', 'private', '--', 'wget', '-q', '-O', '-', `http://127.0.0.1:${DEMO_PORT}/`],
  );
  expect(own.stdout).toContain('hypeman');
  const across = await cli(house.place, 'exec', 'private', '--', 'wget', '-q', '-T', '3', '-O', '-', other);
  expect(across.exitCode).not.toBe(0);
});

test('an upload limit holds in a real machine, is changed live, and is shown', async () => {
  await cli(
    house.place,
    ...['exec', 'other', '--', 'dd', 'if=/dev/zero', 'of=/tmp/www/big', 'bs=1M', 'count=6'],
  );
  const before = (await getInstance(house.place, 'other'))?.status.startedAt;
  await house.declareDemo('other', { network: { bandwidthUpload: '2MB/s' } });
  await eventually(
    'the limit',
    () => getInstance(house.place, 'other'),
    (seen) => seen?.status.network?.bandwidthUpload === '2MB/s',
  );
  // The best of some: a machine that is busy with other tests can be slower, never faster.
  let rate = 0;
  for (let tries = 0; tries < 5 && rate < 0.9 * 2 * 1024 * 1024; tries += 1)
    rate = Math.max(rate, await rateOf('other', '/big'));
  expect(rate / (2 * 1024 * 1024)).toBeGreaterThan(0.9);
  expect(rate / (2 * 1024 * 1024)).toBeLessThan(1.1);
  expect((await getInstance(house.place, 'other'))?.status.startedAt).toBe(before);
});

test('a guest that fork-bombs and fills its disk hurts only itself and is removed', async () => {
  await house.declareDemo('bomb', {
    entrypoint: ['/bin/sh', '-c'],
    cmd: ['dd if=/dev/zero of=/fill bs=1M; f() { f | f & }; f; sleep 1000'],
  });
  await house.untilReady('bomb');
  expect(await fetchText(`http://${await ipOf('private')}:${DEMO_PORT}/`)).toContain('hypeman');
  await house.remove('bomb');
});

test('duplicates are both named and neither wins silently', async () => {
  await house.untilReady('other');
  const before = (await getInstance(house.place, 'other'))?.status.startedAt;
  await declare(
    house.place,
    'twin.yaml',
    `apiVersion: hypeman.dev/v1alpha1\nkind: Instance\nmetadata: {name: other}\nspec: {image: x}\n`,
  );
  const refused = await eventually(
    'refused',
    () => getInstance(house.place, 'other'),
    (seen) => conditionOf(seen, 'Stalled') === 'True',
  );
  const message = refused?.status.conditions.find(({ type }) => type === 'Stalled')?.message ?? '';
  expect(message).toContain('twin.yaml');
  expect(message).toContain('other.yaml');
  expect(refused?.status.startedAt).toBe(before);
  await rm(`${house.place.watchDir}/twin.yaml`);
  await eventually(
    'healed',
    () => getInstance(house.place, 'other'),
    (seen) => conditionOf(seen, 'Stalled') === undefined,
  );
});
