import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { installationTag } from '../../../src/machine/ids.ts';
import { cli } from '../../support/cli-run.ts';

type Result = { readonly name: string; readonly level: string; readonly means: string };

test('doctor asks the real host, finds it in order, and leaves no rule behind', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'hypeman-doctor-'));
  const words = [
    '--state-dir',
    stateDir,
    '--run-dir',
    stateDir,
    'doctor',
    '-o',
    'json',
    '--subnet',
    '10.213.0.0/24',
  ];
  const { stdout } = await cli(words, {
    driverFacts: () => Promise.resolve({ qemu: { version: '7.2', accelerator: 'kvm' } }),
  });
  const results = JSON.parse(stdout) as readonly Result[];
  const failures = results.filter(({ level }) => level === 'fail').map(({ name }) => name);
  // The kernel alone is missing: this state directory is new.
  expect(failures).toEqual(['guest kernel']);
  expect((await runCommand('nft', ['list', 'tables'])).stdout).not.toContain(
    `hypeman-${installationTag(stateDir)}`,
  );
  await rm(stateDir, { recursive: true });
});

test('a network that this host routes already is found', async () => {
  const device = `hmdoc${process.pid}`.slice(0, 15);
  await commandOutput('ip', ['tuntap', 'add', 'dev', device, 'mode', 'tap']);
  try {
    await commandOutput('ip', ['link', 'set', device, 'up']);
    await commandOutput('ip', ['route', 'add', '10.214.3.0/24', 'dev', device]);
    const { stdout, code } = await cli(['--run-dir', '/nowhere', 'doctor', '--subnet', '10.214.0.0/16']);
    expect(code).toBe(1);
    expect(stdout).toMatch(new RegExp(`subnet +fail .*10\\.214\\.3\\.0/24 over ${device}`));
  } finally {
    await runCommand('ip', ['link', 'del', device]);
  }
});
