import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { outsideOf } from '../../../src/upstream.ts';

const [ONE = '', OTHER = ''] = rootCertificates;

let base = '';
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hm-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

const roots = (): { state: string; run: string } => ({ state: `${base}/state`, run: `${base}/run` });
const bundles = async (): Promise<readonly string[]> =>
  (await readdir(`${base}/state/egress`)).filter((name) => name.endsWith('.pem'));

test("the operator's CAs count beside the host's own, where the proxy can read them", async () => {
  await writeFile(`${base}/ca.pem`, `# ours\n${ONE}\n`, { mode: 0o600 });
  const upstream = { caFile: `${base}/ca.pem`, networks: ['10.9.0.0/16'], hosts: { 'a.b': ['10.9.0.7'] } };
  const { trustBundle = '', ...same } = await outsideOf({ upstream, dns: ['10.9.0.53'] }, roots());
  expect(same).toEqual({
    networks: ['10.9.0.0/16'],
    hosts: { 'a.b': ['10.9.0.7'] },
    resolvers: ['10.9.0.53'],
  });
  const text = await readFile(trustBundle, 'utf8');
  expect(text.startsWith(ONE)).toBe(true);
  expect(text.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(10);
  expect((await stat(trustBundle)).mode & 0o777).toBe(0o644);
});

test('the same CAs are the same file, others another one, and none leave none behind', async () => {
  const upstream = { caFile: `${base}/ca.pem`, networks: [], hosts: {} };
  await writeFile(`${base}/ca.pem`, ONE);
  const first = await outsideOf({ upstream, dns: [] }, roots());
  expect(await outsideOf({ upstream, dns: [] }, roots())).toEqual(first);
  await writeFile(`${base}/ca.pem`, OTHER);
  expect((await outsideOf({ upstream, dns: [] }, roots())).trustBundle).not.toBe(first.trustBundle);
  expect(await bundles()).toHaveLength(1);
  expect(await outsideOf({ upstream: { networks: [], hosts: {} }, dns: [] }, roots())).toEqual({
    networks: [],
    hosts: {},
  });
  expect(await bundles()).toEqual([]);
});

test.each([
  [undefined, 'there is no file'],
  ['', 'holds no certificate'],
  ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'cannot be read'],
])('a file that is no bundle is refused before anything runs: %j', async (content, hint) => {
  const caFile = `${base}/ca.pem`;
  if (content !== undefined) await writeFile(caFile, content);
  await expect(
    outsideOf({ upstream: { caFile, networks: [], hosts: {} }, dns: [] }, roots()),
  ).rejects.toMatchObject({
    reason: 'BadUpstreamCa',
    message: expect.stringMatching(new RegExp(`^--upstream-ca: .*${hint}`)) as string,
  });
});
