import { chmod, copyFile, mkdir, symlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reasonOf } from '../../src/errors.ts';
import { writeBootArchive } from '../../src/guest/boot-archive.ts';
import { cmdlineFor } from '../../src/guest/cmdline.ts';
import type { ExecSession, GuestLinks } from '../../src/guest/guest-links.ts';
import { installKernel } from '../../src/guest/kernel.ts';
import { openGuestLinks } from '../../src/guest/links.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { connectUnix } from '../../src/host/unix-socket.ts';
import type { MemoryKeeper } from '../../src/machine/driver.ts';
import type { Machine, MachineDisk } from '../../src/machine/machine.ts';
import { SHARED_GID } from '../../src/machine/owner.ts';
import { cloneDisk, copyWritableDisks } from '../../src/storage/clone-disk.ts';
import { makeOverlay } from '../../src/storage/overlay.ts';
import { textOf } from '../support/guest-vm.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { QemuStage } from '../support/qemu-stage.ts';

const CACHE = new URL('../../.cache/kernel', import.meta.url).pathname;
const MIB = 1024 ** 2;

/** Our own init in the guest, its control channel, and disks that it writes to. */
describe('a guest that is suspended, restored and forked', () => {
  const signal = new AbortController().signal;
  let stage: QemuStage;
  let links: GuestLinks;
  let source: Machine;
  const machines: Machine[] = [];
  const keeper = (): MemoryKeeper => {
    const { memory } = stage.driver();
    if (memory === undefined) throw new Error('this driver keeps no memory');
    return memory;
  };
  const answers = async (machine: Machine): Promise<void> => {
    for (let tries = 0; tries < 3000; tries += 1) {
      if (links.look(machine.id, machine.paths.guestSocket).state === 'started') return;
      await sleep(20);
    }
    throw new Error(`the guest of ${machine.id} never answered`);
  };
  /** A link is made again a moment after a restore; what a guest told before is no sign of it. */
  const exec = async (machine: Machine, script: string): Promise<ExecSession> => {
    for (let tries = 0; ; tries += 1) {
      await answers(machine);
      try {
        return await links.exec(machine.id, { argv: ['sh', '-c', script], env: {} });
      } catch (error) {
        if (reasonOf(error) !== 'GuestUnreachable' || tries > 500) throw error;
        await sleep(20);
      }
    }
  };
  const output = async (machine: Machine, script: string): Promise<string> => {
    const session = await exec(machine, script);
    session.stdin.end('');
    return (await textOf(session.stdout)).trim();
  };
  const disksOf = (machine: Machine): readonly MachineDisk[] => [
    { serial: 'root', path: `${stage.base}/root.erofs`, readonly: true },
    { serial: 'overlay', path: machine.paths.overlay, readonly: false },
  ];

  beforeAll(async () => {
    stage = await openQemuStage();
    links = openGuestLinks({ connect: (path) => connectUnix(path), onChange: () => undefined });
    source = await bootable(stage);
    machines.push(source);
    await stage.driver().start(source, signal);
    await answers(source);
  });
  afterAll(async () => {
    links.close();
    for (const machine of machines) await stage.driver().kill(machine, signal);
    await stage.close();
  });

  test('answers over a new link, with its programs and its unwritten files', async () => {
    await output(source, 'echo kept > /tmp/word; (while :; do sleep 1; done) & echo $! > /tmp/pid');
    for (let cycle = 0; cycle < 3; cycle += 1) {
      await keeper().suspend(source, signal);
      await keeper().restore(source, { kind: 'standby' }, signal);
      expect(await output(source, 'cat /tmp/word; kill -0 $(cat /tmp/pid) && echo alive')).toBe(
        'kept\nalive',
      );
    }
  });

  test('has a disk of its own in every fork, with what was on it at that moment', async () => {
    await output(source, 'echo shared > /root/file; sync');
    const base = stage.newBase();
    const copyDisks = (directory: string): Promise<void> => copyWritableDisks(source.disks, directory);
    const { pausedMs } = await keeper().freeze(source, base, { copyDisks }, signal);
    expect(pausedMs).toBeGreaterThan(0);
    const forks: Machine[] = [];
    for (const name of ['first', 'second']) {
      const made = await stage.forkOf(source);
      const fork = { ...made, disks: disksOf(made) };
      await mkdir(fork.paths.directory, { mode: 0o711 });
      await cloneDisk(`${base.disks}/overlay.img`, fork.paths.overlay, fork.owner);
      await keeper().restore(fork, { kind: 'base', base }, signal);
      machines.push(fork);
      forks.push(fork);
      expect(await output(fork, 'cat /root/file')).toBe('shared');
      await output(fork, `echo ${name} > /root/file; sync; echo 3 > /proc/sys/vm/drop_caches`);
    }
    for (const [index, name] of ['first', 'second'].entries()) {
      const fork = forks[index];
      if (fork !== undefined) expect(await output(fork, 'cat /root/file')).toBe(name);
    }
    expect(await output(source, 'cat /root/file; cat /tmp/word')).toBe('shared\nkept');
  });

  async function bootable(on: QemuStage): Promise<Machine> {
    const roots = { state: on.base, run: on.base };
    const kernel = await installKernel({
      roots,
      sharedGid: SHARED_GID,
      cacheDir: CACHE,
      report: () => undefined,
    });
    await makeRoot(on.base);
    const plain = await on.keptMachine();
    const { paths, owner, id } = plain;
    await mkdir(paths.directory, { recursive: true, mode: 0o711 });
    await makeOverlay(paths.overlay, 64 * MIB, owner);
    await writeBootArchive({
      ...{ base: kernel.initrd, paths, env: {}, fields: {}, owner },
      boot: {
        ...{ id, hostname: 'source', argv: ['sleep', '100000'], imageEnv: {}, workdir: '/', user: '' },
        ...{ stopSignal: 'SIGTERM', agent: true },
      },
    });
    const boot = { kernel: kernel.path, initrd: [paths.bootArchive], cmdline: cmdlineFor('tcg') };
    return { ...plain, ...boot, disks: disksOf(plain) };
  }
});

async function makeRoot(directory: string): Promise<void> {
  const tree = `${directory}/tree`;
  for (const name of ['bin', 'etc', 'tmp', 'root', 'proc'])
    await mkdir(`${tree}/${name}`, { recursive: true });
  await copyFile('/bin/busybox', `${tree}/bin/busybox`);
  await chmod(`${tree}/bin/busybox`, 0o755);
  for (const name of ['sh', 'cat', 'echo', 'sleep', 'kill', 'sync'])
    await symlink('busybox', `${tree}/bin/${name}`);
  await commandOutput('mkfs.erofs', [`${directory}/root.erofs`, tree]);
}
