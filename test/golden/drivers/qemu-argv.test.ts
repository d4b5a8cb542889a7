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
    { serial: 'overlay', path: `/var/lib/hypeman/instances/${id}/overlay.img`, readonly: false },
  ],
  diskBytesPerSecond: 104857600,
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

  test('of a machine whose memory is kept, of a restored one and of a fork, is what it was', async () => {
    const kept: Machine = { ...machine, memory: 'file' };
    await expect(pretty(argvFor(kept, facts))).toMatchFileSnapshot('qemu-kept.argv');
    await expect(pretty(argvFor(kept, facts, 'own'))).toMatchFileSnapshot('qemu-restored.argv');
    await expect(pretty(argvFor(kept, facts, 'frozen'))).toMatchFileSnapshot('qemu-fork.argv');
  });

  test('has room for memory that is added, and each block of it in its own file and where it was', () => {
    const dimms = [{ slot: 3, address: 2 ** 32, bytes: 2 ** 27 }];
    const grown: Machine = { ...machine, memory: 'file', hotplug: { bytes: 2 ** 30, dimms } };
    for (const [origin, share] of [
      ['own', 'on'],
      ['frozen', 'off'],
    ] as const) {
      const argv = argvFor(grown, facts, origin);
      expect(argv).toContain('size=1024M,slots=32,maxmem=2048M');
      const file = `memory-backend-file,id=dimmram3,size=134217728,mem-path=${machine.paths.memory}.3,share=${share}`;
      expect(argv.join(' ')).toContain(
        `-object ${file} -device pc-dimm,id=dimm3,memdev=dimmram3,slot=3,addr=4294967296`,
      );
    }
    expect(argvFor(machine, facts).join(' ')).not.toMatch(/slots=|pc-dimm/);
  });

  test('opens a frozen memory without the right to write to it from 8.2 on', () => {
    const memoryOf = (major: number, minor: number): string | undefined =>
      argvFor(machine, { ...facts, version: { text: '', major, minor } }, 'frozen').find((word) =>
        word.startsWith('memory-backend-file'),
      );
    expect(memoryOf(8, 1)).toMatch(/,share=off$/);
    for (const [major, minor] of [
      [8, 2],
      [10, 0],
    ] as const)
      expect(memoryOf(major, minor)).toMatch(/,share=off,readonly=on,rom=off$/);
  });

  test('has no balloon and no virtio-mem, which punch holes into a memory that forks share', () => {
    for (const origin of ['boot', 'own', 'frozen'] as const)
      expect(argvFor({ ...machine, memory: 'file' }, facts, origin).join(' ')).not.toMatch(
        /balloon|virtio-mem/,
      );
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
