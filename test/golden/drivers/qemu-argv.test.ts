import { describe, expect, test } from 'vitest';
import { confined } from '../../../src/drivers/qemu/confinement.ts';
import { argvFor } from '../../../src/drivers/qemu/translate.ts';
import type { QemuFacts } from '../../../src/drivers/qemu/translate.ts';
import { instanceId, tapNameFor } from '../../../src/machine/ids.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { ownerFor } from '../../../src/machine/owner.ts';
import { pathsFor } from '../../../src/machine/paths.ts';

const id = instanceId('tz4a98xxat96iws9zmbrgj3a');
const facts: QemuFacts = {
  program: 'qemu-system-x86_64',
  version: { text: '7.2.22', major: 7, minor: 2 },
  accelerator: 'tcg',
  firmware: '/usr/share/qemu/qboot.rom',
};
const machine: Machine = {
  ...{ id, vcpus: 2, memoryBytes: 1024 ** 3, owner: ownerFor(4) },
  kernel: '/var/lib/hypeman/kernel/6.1/vmlinux',
  initrd: ['/var/lib/hypeman/kernel/6.1/initrd', `/var/lib/hypeman/instances/${id}/boot.cpio`],
  cmdline: 'console=ttyS0 panic=1 quiet',
  disks: [
    { serial: 'root', path: '/var/lib/hypeman/images/sha256-ab/root.erofs', readonly: true },
    {
      ...{ serial: 'overlay', path: `/var/lib/hypeman/instances/${id}/overlay.img`, readonly: false },
      bytesPerSecond: 104857600,
    },
  ],
  nic: { tap: tapNameFor(id, 'ab12'), mac: '02:00:0a:64:00:05' },
  paths: pathsFor({ state: '/var/lib/hypeman', run: '/run/hypeman' }, id),
};

describe('the command line of QEMU', () => {
  test('is what it was', async () => {
    await expect(pretty(argvFor(machine, facts))).toMatchFileSnapshot('qemu-tcg.argv');
  });

  test('on KVM with SeaBIOS, without disks and network, is what it was', async () => {
    const { id, vcpus, memoryBytes, kernel, cmdline, owner, paths } = machine;
    const bare = { id, vcpus, memoryBytes, kernel, cmdline, owner, paths, disks: [], initrd: [] };
    const { program, version } = facts;
    const argv = argvFor(bare, { program, version, accelerator: 'kvm' });
    await expect(pretty(argv)).toMatchFileSnapshot('qemu-kvm-bare.argv');
  });

  test('runs as the machine’s user from its first instruction', async () => {
    const argv = confined(['qemu-system-x86_64', '-S'], machine.owner, [104]);
    await expect(pretty(argv)).toMatchFileSnapshot('confined.argv');
  });

  test('is the same for the same machine', () => {
    expect(argvFor(machine, facts)).toEqual(argvFor(structuredClone(machine), structuredClone(facts)));
  });

  test('survives commas in paths: written twice in key=value, as they are in JSON', () => {
    const paths = pathsFor({ state: '/srv/a,b', run: '/run/c,d' }, id);
    const disks = [{ serial: 'root', path: '/srv/a,b/root.erofs', readonly: true }];
    const argv = argvFor({ ...machine, paths, disks }, facts).join('\n');
    expect(argv).toContain(`path=/srv/a,,b/instances/${id}/console.log,append=on`);
    expect(argv).toContain(`path=/run/c,,d/${id}/vmm.sock,server=on`);
    expect(argv).toContain('"filename":"/srv/a,b/root.erofs"');
  });

  test('rounds memory up to whole MiB, so that a guest never has less than was asked for', () => {
    expect(argvFor({ ...machine, memoryBytes: 1_000_000_000 }, facts)).toContain('size=954M');
  });
});

/** One option with its value per line. */
function pretty(argv: readonly string[]): string {
  return `${argv.join('\n').replaceAll(/\n(?!-)/g, ' ')}\n`;
}
