import { cp, mkdir } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BUNDLE_PATH } from '../../../src/guest/trust-environment.ts';
import { runCommand } from '../../../src/host/exec.ts';
import { installed, trustStage } from '../../support/trust-stage.ts';

/** This host's own clients, with this host's /etc/ssl after init was at a copy of it, in a mount namespace. */
const stage = trustStage();
let server: Server;
let url: string;
beforeAll(async () => {
  server = createServer({ cert: stage.ours.leaf, key: stage.ours.leafKey }, (_request, response) => {
    response.end('trusted\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `https://localhost:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.close();
});

async function client(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly exitCode: number; readonly stdout: string }> {
  const script = 'mount --bind "$0"/etc/ssl /etc/ssl && mount --bind "$0"/usr/local /usr/local && exec "$@"';
  const inside = ['--mount', '--propagation', 'private', 'sh', '-c', script, stage.root];
  return runCommand('unshare', [...inside, ...words], { env });
}

const PYTHON = `import ssl, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")`;
const NODE = 'fetch(process.argv[1]).then((r) => r.text()).then((t) => process.stdout.write(t))';

beforeEach(async () => {
  await mkdir(join(stage.root, 'etc'));
  await cp('/etc/ssl', join(stage.root, 'etc/ssl'), { recursive: true, verbatimSymlinks: true });
  await mkdir(join(stage.root, 'usr/local/share'), { recursive: true });
});

describe('real clients take the proxy’s certificates', () => {
  test.each([
    ['curl', () => ['curl', '-sS', url], {}],
    ['curl, told by a variable', () => ['curl', '-sS', url], { CURL_CA_BUNDLE: BUNDLE_PATH }],
    ['wget (GnuTLS)', () => ['wget', '-q', '-O', '-', url], {}],
    ['Python’s ssl, by hashes', () => ['/usr/bin/python3', '-c', PYTHON, url], {}],
    [
      'Python’s ssl, told by a variable',
      () => ['/usr/bin/python3', '-c', PYTHON, url],
      { SSL_CERT_FILE: BUNDLE_PATH },
    ],
    ['Node’s fetch', () => [process.execPath, '-e', NODE, url], { NODE_EXTRA_CA_CERTS: BUNDLE_PATH }],
  ] as const)('%s', async (_name, words, env) => {
    expect((await client(words(), {})).stdout).not.toContain('trusted');
    expect(await stage.start(stage.ours.authority)).toBe(installed(stage.ours));
    expect(await client(words(), env)).toMatchObject({ exitCode: 0, stdout: 'trusted' });
  });
});

test('Debian’s update-ca-certificates keeps it, and the next start still replaces it', async () => {
  await stage.start(stage.ours.authority);
  const updated = await client(['update-ca-certificates', '--fresh'], {});
  expect(updated.exitCode).toBe(0);
  expect(await client(['curl', '-sS', url], {})).toMatchObject({ stdout: 'trusted' });
  expect(await client(['/usr/bin/python3', '-c', PYTHON, url], {})).toMatchObject({ stdout: 'trusted' });
  expect(await stage.start(stage.later.authority)).toBe(installed(stage.later));
  expect((await client(['curl', '-sS', url], {})).stdout).not.toContain('trusted');
  expect((await client(['/usr/bin/python3', '-c', PYTHON, url], {})).stdout).not.toContain('trusted');
});
