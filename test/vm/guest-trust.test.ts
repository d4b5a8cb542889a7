import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUNDLE_PATH } from '../../src/guest/trust-environment.ts';
import type { BootDescription } from '../../src/machine/boot.ts';
import type { GuestTrust } from '../../src/machine/egress.ts';
import { openGuestStage } from '../support/guest-vm.ts';
import type { GuestStage, GuestVm } from '../support/guest-vm.ts';
import { LAYOUTS, link, put, putProgram } from '../support/image-root.ts';
import { makeCa } from '../support/test-ca.ts';
import type { TestCa } from '../support/test-ca.ts';

let stage: GuestStage;
let debian: string;
let ours: TestCa;
let later: TestCa;
let web: TestCa;
beforeAll(async () => {
  [ours, later, web] = await Promise.all([makeCa('/CN=one'), makeCa('/CN=two'), makeCa('/CN=web')]);
  stage = await openGuestStage();
  debian = await stage.image('debian', async (tree) => {
    await LAYOUTS.debian(tree, web.authority.certificate);
    for (const program of ['/usr/bin/openssl', '/usr/bin/curl']) await putProgram(tree, program);
    await put(tree, 'srv/leaf.pem', later.leaf);
    await put(tree, 'srv/leaf.key', later.leafKey);
  });
});
afterAll(async () => {
  await stage.close();
});

const sh = (script: string): readonly string[] => ['sh', '-c', script];
const egressFor = ({ authority }: TestCa): NonNullable<BootDescription['egress']> => ({
  ...{ proxy: 'http://10.100.0.1:3128', noProxy: 'localhost' },
  authority,
});
const trusting = ({ authority: { fingerprint } }: TestCa): GuestTrust => ({
  state: 'installed',
  fingerprint,
});

/** Waits for what init says of the CA. */
async function trustOf(vm: GuestVm, state: GuestTrust['state'], { authority }: TestCa): Promise<GuestTrust> {
  for (let tries = 0; tries < 1500; tries += 1) {
    const { trust } = await vm.until('started');
    if (trust?.state === state && 'fingerprint' in trust && trust.fingerprint === authority.fingerprint)
      return trust;
    await sleep(20);
  }
  throw new Error(`never ${state}: ${JSON.stringify(vm.look())}`);
}

describe('a mediated guest', () => {
  let vm: GuestVm;
  beforeAll(async () => {
    vm = await stage.boot({
      argv: sh('grep -c BEGIN "$SSL_CERT_FILE"; echo "$https_proxy"; while :; do sleep 1000; done'),
      root: debian,
      egress: egressFor(ours),
    });
    await vm.until('started');
  });
  afterAll(async () => {
    await vm.kill();
  });

  test('trusts the CA before its program begins, which knows the bundle and the proxy', async () => {
    expect(await vm.until('started')).toMatchObject({ trust: trusting(ours) });
    while ((await vm.console()).split('\n').length < 3) await sleep(20);
    expect(await vm.console()).toBe('2\nhttp://10.100.0.1:3128\n');
  });

  test('gives sessions the same words', async () => {
    const { stdout } = await vm.run(['env']);
    expect(stdout).toContain(`NODE_EXTRA_CA_CERTS=${BUNDLE_PATH}\n`);
    expect(stdout).toContain('HTTP_PROXY=http://10.100.0.1:3128\n');
  });

  test('is given another CA while it runs, and curl takes a server of that one', async () => {
    const serve =
      'openssl s_server -www -accept 4433 -cert /srv/leaf.pem -key /srv/leaf.key >/dev/null 2>&1 &';
    const ask =
      'for try in 1 2 3 4 5 6 7 8; do curl -sS https://localhost:4433/ >/dev/null && break; sleep 1; done';
    const before = await vm.run(sh(`(${serve}) ; sleep 3; curl -sS https://localhost:4433/; echo "code $?"`));
    expect(before.stdout).toContain('code 60');
    vm.links.trustAuthority(vm.id, later.authority);
    await trustOf(vm, 'installed', later);
    expect(await vm.run(sh(ask))).toEqual({ code: 0, stdout: '', stderr: '' });
    const hashes = await vm.run(sh('openssl verify -CApath /etc/ssl/certs -no-CAfile /srv/leaf.pem'));
    expect(hashes.stdout).toBe('/srv/leaf.pem: OK\n');
  });

  test('says where it could not, and can be told again', async () => {
    await vm.run(sh('mount -o remount,ro /'));
    vm.links.trustAuthority(vm.id, ours.authority);
    expect(await trustOf(vm, 'failed', ours)).toMatchObject({
      message: 'cannot add it to /etc/ssl/certs/ca-certificates.crt: Read-only file system',
    });
    await vm.run(sh('mount -o remount,rw /'));
    vm.links.trustAuthority(vm.id, ours.authority);
    await trustOf(vm, 'installed', ours);
    expect((await vm.run(sh(`grep -c BEGIN ${BUNDLE_PATH}`))).stdout).toBe('2\n');
  });

  test('leaves no CA behind when it is started again without mediation', async () => {
    vm.links.shutdown(vm.id, 500);
    await vm.until('exited');
    vm.links.acknowledgeExit(vm.id);
    expect(await vm.ended()).toBe(true);
    const count = sh('grep -c BEGIN /etc/ssl/certs/ca-certificates.crt; sleep 1000');
    const again = await stage.boot({ argv: count, root: debian, overlay: vm.overlay });
    expect(await again.until('started')).toMatchObject({ trust: { state: 'none' } });
    while ((await again.console()) === '') await sleep(20);
    expect(await again.console()).toBe('1\n');
    await again.kill();
  });
});

test('a full system is given the CA too, before and while it runs', async () => {
  const vm = await stage.boot({ argv: ['/sbin/init'], egress: egressFor(ours) });
  expect(await vm.until('started')).toMatchObject({ trust: trusting(ours) });
  vm.links.trustAuthority(vm.id, later.authority);
  await trustOf(vm, 'installed', later);
  expect((await vm.run(sh('grep -c BEGIN /etc/ssl/certs/ca-certificates.crt'))).stdout).toBe('1\n');
  const { stdout } = await vm.run(sh('cat /etc/systemd/system.conf.d/*'));
  expect(stdout).toMatch(/^\[Manager\]\n(DefaultEnvironment="[A-Za-z_]+=[^"]+"\n){17}$/);
  await vm.kill();
});

test.each(['alpine', 'rhel', 'suse', 'bare'] as const)(
  'OpenSSL in an image like %s verifies',
  async (layout) => {
    const root = await stage.image(layout, async (tree) => {
      await LAYOUTS[layout](tree, web.authority.certificate);
      await putProgram(tree, '/usr/bin/openssl');
      await put(tree, 'srv/leaf.pem', ours.leaf);
    });
    const vm = await stage.boot({
      argv: ['openssl', 'verify', '/srv/leaf.pem'],
      ...{ root, user: 'ann', egress: egressFor(ours) },
    });
    expect(await vm.until('exited')).toMatchObject({ exit: { code: 0 } });
    expect(await vm.console()).toBe('/srv/leaf.pem: OK\n');
    await vm.kill();
  },
);

test('where the image cannot be made to trust it, its program is not started', async () => {
  const root = await stage.image('odd', async (tree) => {
    await link(tree, 'etc/ssl/certs/ca-certificates.crt', '/dev/null');
  });
  const vm = await stage.boot({ argv: sh('echo the program runs'), root, egress: egressFor(ours) });
  const message =
    'cannot make the image trust the CA of the egress proxy: ' +
    'cannot add it to /etc/ssl/certs/ca-certificates.crt: Invalid cross-device link';
  expect(await vm.until('exited')).toEqual({ state: 'exited', exit: { code: 125, message } });
  expect(await vm.console()).not.toContain('the program runs');
  await vm.kill();
});
