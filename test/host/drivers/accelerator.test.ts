import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeKvm } from '../../../src/drivers/qemu/accelerator.ts';
import type { KvmVerdict } from '../../../src/drivers/qemu/accelerator.ts';
import { findQemu } from '../../../src/drivers/qemu/program.ts';
import { SHARED_GID } from '../../../src/machine/owner.ts';

/** A QEMU that is a script: on a host whose KVM works, whose KVM aborts, whose KVM never says a word. */
const SCRIPTS = {
  works: 'echo "[    0.000000] Linux version 6.1.0"',
  aborts: 'echo "failed to set MSR 0x10a" >&2; exit 134',
  hangs: 'exec sleep 60',
};

describe('the trial of KVM', () => {
  const signal = new AbortController().signal;
  let base = '';
  const probe = async (script: string, version = '7.2.22', device = `${base}/kvm`): Promise<KvmVerdict> => {
    const program = `${base}/qemu`;
    const count = `echo run >> ${base}/runs`;
    const text = `#!/bin/sh\n[ "$1" = --version ] && echo "version ${version}" && exit\n${count}\n${script}\n`;
    await writeFile(program, text, { mode: 0o755 });
    const found = await findQemu(program, signal);
    const cachePath = `${base}/accelerator.json`;
    return probeKvm({ found, kernel: '/kernel', sharedGid: SHARED_GID, cachePath, device }, signal);
  };

  beforeAll(async () => {
    base = await mkdtemp('/var/tmp/hypeman-kvm-');
    await chmod(base, 0o777);
    await writeFile(`${base}/kvm`, '');
    await writeFile(`${base}/runs`, '');
    await chmod(`${base}/runs`, 0o666);
  });
  afterAll(async () => {
    await rm(base, { recursive: true });
  });
  const runs = async (): Promise<number> => (await stat(`${base}/runs`)).size / 'run\n'.length;

  test('finds a host without the device unusable, and does not write that down', async () => {
    const verdict = await probe(SCRIPTS.works, '7.2.22', `${base}/no-such-device`);
    expect(verdict).toMatchObject({ isUsable: false });
    expect(await runs()).toBe(0);
  });

  test('believes a kernel that greets, and asks once', async () => {
    expect(await probe(SCRIPTS.works)).toEqual({ isUsable: true });
    expect(await probe(SCRIPTS.aborts)).toEqual({ isUsable: true });
    expect(await runs()).toBe(1);
  });

  test('is made again for another QEMU, and tells how it failed', async () => {
    const verdict = await probe(SCRIPTS.aborts, '9.1.0');
    expect(verdict.isUsable).toBe(false);
    expect(verdict.problem).toContain('134');
    expect(verdict.problem).toContain('MSR');
  });

  test('gives a kernel that never says a word five seconds', async () => {
    expect(await probe(SCRIPTS.hangs, '9.2.0')).toMatchObject({ isUsable: false });
  });

  test('is made again when what was written down cannot be read', async () => {
    await writeFile(`${base}/accelerator.json`, '{"key":');
    expect(await probe(SCRIPTS.works)).toEqual({ isUsable: true });
  });

  test('opens the device to the VMMs’ group and to nobody else', async () => {
    const { mode, gid } = await stat(`${base}/kvm`);
    expect([mode & 0o777, gid]).toEqual([0o660, SHARED_GID]);
  });
});
