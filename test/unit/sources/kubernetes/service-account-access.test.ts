import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openClusterAccess } from '../../../../src/sources/kubernetes/open-cluster-access.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/hm-account-`);
  await writeFile(`${directory}/ca.crt`, 'a CA');
  await writeFile(`${directory}/token`, 'first\n');
  vi.stubEnv('KUBERNETES_SERVICE_HOST', '10.96.0.1');
  vi.stubEnv('KUBERNETES_SERVICE_PORT', '6443');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true });
});

test('a Pod finds its server, and the token as the kubelet renewed it', async () => {
  const access = await openClusterAccess({ is: 'in-cluster', directory });
  expect(access.server.href).toBe('https://10.96.0.1:6443/');
  expect(await access.credentials()).toEqual({ ca: 'a CA', headers: { authorization: 'Bearer first' } });
  await writeFile(`${directory}/token`, 'second');
  access.distrust();
  expect(await access.credentials()).toMatchObject({ headers: { authorization: 'Bearer second' } });
});

test('a token that could not be read is read again for the next request', async () => {
  const access = await openClusterAccess({ is: 'in-cluster', directory });
  await rename(`${directory}/token`, `${directory}/away`);
  await expect(access.credentials()).rejects.toThrow('ENOENT');
  await rename(`${directory}/away`, `${directory}/token`);
  expect(await access.credentials()).toMatchObject({ headers: { authorization: 'Bearer first' } });
});

test('the address of an IPv6 cluster is one', async () => {
  vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
  const { server } = await openClusterAccess({ is: 'in-cluster', directory });
  expect(server.href).toBe('https://[fd00::1]:6443/');
});

test('outside of a Pod it is said what to give', async () => {
  vi.stubEnv('KUBERNETES_SERVICE_HOST', '');
  await expect(openClusterAccess({ is: 'in-cluster' })).rejects.toMatchObject({
    fate: 'invalid',
    reason: 'NotInCluster',
    message: expect.stringContaining('--kubeconfig FILE') as unknown,
  });
});
