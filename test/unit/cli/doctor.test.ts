import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Check, Finding, HostProbe } from '../../../src/cli/doctor/check.ts';
import { ok } from '../../../src/cli/doctor/check.ts';
import { controllerCheck, driverCheck, kernelCheck } from '../../../src/cli/doctor/controller-checks.ts';
import { proxyUserCheck, trustBundleCheck } from '../../../src/cli/doctor/egress-checks.ts';
import {
  clockCheck,
  cloneCheck,
  diskCheck,
  memoryCheck,
  rootCheck,
  toolsCheck,
  tunCheck,
} from '../../../src/cli/doctor/host-checks.ts';
import {
  forwardingCheck,
  nameServerCheck,
  nftCheck,
  othersCheck,
  subnetCheck,
} from '../../../src/cli/doctor/network-checks.ts';
import { hostProbe } from '../../../src/cli/doctor/probe.ts';
import { examine, isFit, reportText } from '../../../src/cli/doctor/report.ts';
import type { ControllerClient } from '../../../src/cli/controller-client.ts';
import { toolsMissing } from '../../../src/host/tools.ts';
import { HypemanError } from '../../../src/errors.ts';
import { NOW } from '../../support/cli-run.ts';

const GIB = 1024 ** 3;

/** A host of which only what a test says is known. */
function host(more: Partial<HostProbe> = {}, files: Readonly<Record<string, string>> = {}): HostProbe {
  return {
    uid: 0,
    now: () => NOW,
    read: (path) => Promise.resolve(files[path]),
    exists: (path) => Promise.resolve(path in files),
    holdsOpen: () => Promise.resolve(false),
    freeBytes: () => Promise.resolve(100 * GIB),
    cloneMethod: () => Promise.resolve('reflink'),
    run: () => Promise.resolve({ exitCode: 0, stdout: '', stderr: '' }),
    ...more,
  };
}

async function levelOf(check: Check, seen: HostProbe): Promise<Finding['level']> {
  return (await check.look(seen)).level;
}

test('only root can make machines', async () => {
  expect(await levelOf(rootCheck, host())).toBe('ok');
  expect(await levelOf(rootCheck, host({ uid: 1000 }))).toBe('fail');
});

test('how forks come by their disks is told', async () => {
  const check = cloneCheck('/var/lib/hypeman');
  expect((await check.look(host())).means).toMatch(/^reflink: .*shares/);
  const copying = host({ cloneMethod: () => Promise.resolve('sparse-copy') });
  expect((await check.look(copying)).means).toMatch(/^sparse copy: .*XFS or btrfs under \/var\/lib\/hypeman/);
});

test('this host is asked by trying, where the state will lie, and nothing stays there', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hypeman-doctor-'));
  const probe = hostProbe(Date.now, new AbortController().signal);
  expect(['reflink', 'sparse-copy']).toContain(await probe.cloneMethod(join(directory, 'not/yet/there')));
  expect(await readdir(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});

test('missing programs are named together, with one command that brings them', async () => {
  const tools = [
    { tool: 'ip', package: 'iproute2', purpose: 'network devices' },
    { tool: 'tc', package: 'iproute2', purpose: 'bandwidth limits' },
    { tool: 'nft', package: 'nftables', purpose: 'the guard' },
  ];
  const finding = await toolsCheck(() => Promise.resolve(tools)).look(host());
  expect(finding).toMatchObject({
    level: 'fail',
    fix: expect.stringContaining('apt-get install iproute2 nftables') as string,
  });
  expect(
    await levelOf(
      toolsCheck(() => Promise.resolve([])),
      host(),
    ),
  ).toBe('ok');
});

test('a program counts as there when somebody may execute it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hypeman-tools-'));
  await writeFile(`${directory}/yes`, '');
  await chmod(`${directory}/yes`, 0o755);
  await writeFile(`${directory}/no`, '', { mode: 0o644 });
  const tools = ['yes', 'no', 'absent'].map((tool) => ({ tool, package: 'p', purpose: '' }));
  const missing = await toolsMissing(tools, ['/nowhere', directory]);
  expect(missing.map(({ tool }) => tool)).toEqual(['no', 'absent']);
  await rm(directory, { recursive: true });
});

test('room on disk', async () => {
  const free = (bytes: number): HostProbe => host({ freeBytes: () => Promise.resolve(bytes) });
  expect(await levelOf(diskCheck('/s'), free(100 * GIB))).toBe('ok');
  expect(await levelOf(diskCheck('/s'), free(5 * GIB))).toBe('warn');
  expect(await levelOf(diskCheck('/s'), free(GIB / 2))).toBe('fail');
});

test('memory, clock, tun device and forwarding', async () => {
  expect(await levelOf(memoryCheck, host({}, { '/proc/meminfo': 'MemAvailable:    8000000 kB\n' }))).toBe(
    'ok',
  );
  expect(await levelOf(memoryCheck, host({}, { '/proc/meminfo': 'MemAvailable:    500000 kB\n' }))).toBe(
    'warn',
  );
  expect(await levelOf(clockCheck, host())).toBe('ok');
  expect(await levelOf(clockCheck, host({ now: () => 0 }))).toBe('fail');
  expect(await levelOf(tunCheck, host())).toBe('fail');
  expect(await levelOf(tunCheck, host({}, { '/dev/net/tun': '' }))).toBe('ok');
  expect(await levelOf(forwardingCheck, host({}, { '/proc/sys/net/ipv4/ip_forward': '1\n' }))).toBe('ok');
  expect(await levelOf(forwardingCheck, host({}, { '/proc/sys/net/ipv4/ip_forward': '0\n' }))).toBe('warn');
});

test('a network that is taken is a failure, and so is not knowing', async () => {
  const clash = new HypemanError('invalid', 'AddressClash', 'it clashes with eth0');
  expect(
    await levelOf(
      subnetCheck('10.0.0.0/8', () => Promise.resolve()),
      host(),
    ),
  ).toBe('ok');
  expect(await subnetCheck('10.0.0.0/8', () => Promise.reject(clash)).look(host())).toMatchObject({
    level: 'fail',
    means: 'it clashes with eth0',
  });
  const unknown = subnetCheck('10.0.0.0/8', () => Promise.reject(new Error('no ip')));
  expect(await examine([unknown], host())).toMatchObject([
    { level: 'fail', means: 'could not be checked: no ip' },
  ]);
});

test('nft that refuses or is missing is a failure in its own words', async () => {
  const refusing = host({
    run: () => Promise.resolve({ exitCode: 1, stdout: '', stderr: 'Operation not permitted\nmore' }),
  });
  expect(await nftCheck('table').look(refusing)).toMatchObject({
    level: 'fail',
    means: expect.stringContaining('not permitted') as string,
  });
  const missing = host({
    run: () => Promise.reject(new HypemanError('transient', 'ToolMissing', 'nft is not installed')),
  });
  expect(await levelOf(nftCheck('table'), missing)).toBe('fail');
  expect(await levelOf(nftCheck('table'), host())).toBe('ok');
});

test('name servers that a guest can ask', async () => {
  expect(
    await levelOf(
      nameServerCheck(() => Promise.resolve([])),
      host(),
    ),
  ).toBe('warn');
  expect(
    await levelOf(
      nameServerCheck(() => Promise.resolve(['9.9.9.9'])),
      host(),
    ),
  ).toBe('ok');
});

test('the kernel, the hypervisor and the rules of others', async () => {
  const missing = kernelCheck(() => Promise.resolve({ state: 'missing', problem: 'no kernel' }));
  expect(await missing.look(host())).toMatchObject({ level: 'fail', fix: 'hypeman-controller setup' });
  const facts = (qemu: object): Check => driverCheck('qemu', () => Promise.resolve({ qemu }));
  expect(await levelOf(facts({ version: '7.2', accelerator: 'kvm' }), host())).toBe('ok');
  expect(await levelOf(facts({ version: '7.2', accelerator: 'tcg' }), host())).toBe('warn');
  expect(await levelOf(facts({ problem: 'no qemu' }), host())).toBe('fail');
  expect(
    await levelOf(
      othersCheck(() => Promise.resolve(['DOCKER drops'])),
      host(),
    ),
  ).toBe('warn');
  expect(
    await levelOf(
      othersCheck(() => Promise.resolve([])),
      host(),
    ),
  ).toBe('ok');
});

test('a controller that runs is named; one that only holds the lock is told of', async () => {
  const client = (ping: Awaited<ReturnType<ControllerClient['ping']>>): ControllerClient =>
    ({ ping: () => Promise.resolve(ping) }) as ControllerClient;
  const running = controllerCheck('/s', client({ pid: 5, version: '1', since: 'then' }));
  expect(await running.look(host())).toMatchObject({
    level: 'ok',
    means: expect.stringContaining('pid 5') as string,
  });
  const locked = { '/s/lock': '42\n' };
  const silent = controllerCheck('/s', client('absent'));
  expect(await levelOf(silent, host({ holdsOpen: (pid) => Promise.resolve(pid === 42) }, locked))).toBe(
    'warn',
  );
  expect(await levelOf(silent, host({}, locked))).toBe('ok');
  expect(await levelOf(silent, host())).toBe('ok');
});

test('a check that breaks is a finding, and the others still count', async () => {
  const broken: Check = { name: 'broken', look: () => Promise.reject(new Error('boom')) };
  const fine: Check = { name: 'fine', look: () => Promise.resolve(ok('all is well')) };
  const results = await examine([broken, fine], host());
  expect(isFit(results)).toBe(false);
  expect(reportText(results)).toBe(
    [
      'CHECK    RESULT   MEANING',
      'broken   fail     could not be checked: boom',
      '                  fix: mend the checks above first',
      'fine     ok       all is well',
      '',
    ].join('\n'),
  );
});

test('what the egress proxy needs', async () => {
  const refused = host({
    run: () => Promise.resolve({ exitCode: 1, stdout: '', stderr: 'setpriv: setresuid failed' }),
  });
  expect(await levelOf(proxyUserCheck, host())).toBe('ok');
  expect(await proxyUserCheck.look(refused)).toMatchObject({
    level: 'fail',
    means: expect.stringContaining('setresuid failed') as string,
    fix: expect.stringContaining('SETUID') as string,
  });
  const bundle = { '/etc/ssl/certs/ca-certificates.crt': '-----BEGIN CERTIFICATE-----' };
  expect(await levelOf(trustBundleCheck, host({}, bundle))).toBe('ok');
  expect(await levelOf(trustBundleCheck, host())).toBe('warn');
});
