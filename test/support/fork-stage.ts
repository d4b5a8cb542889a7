import { mkdir, writeFile } from 'node:fs/promises';
import { writeBootArchive } from '../../src/guest/boot-archive.ts';
import { cmdlineFor } from '../../src/guest/cmdline.ts';
import type { ExecSession, GuestLinks } from '../../src/guest/guest-links.ts';
import { installKernel } from '../../src/guest/kernel.ts';
import { openGuestLinks } from '../../src/guest/links.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { connectUnix } from '../../src/host/unix-socket.ts';
import type { MemoryKeeper } from '../../src/machine/driver.ts';
import type { GuestState } from '../../src/machine/guest.ts';
import { tapNameFor } from '../../src/machine/ids.ts';
import type { Machine, MachineDisk } from '../../src/machine/machine.ts';
import { SHARED_GID } from '../../src/machine/owner.ts';
import type { Identity } from '../../src/machine/record.ts';
import type { SnapshotPaths } from '../../src/machine/snapshot-paths.ts';
import type { OpenNetwork } from '../../src/network/network.ts';
import { cloneDisk, copyWritableDisks } from '../../src/storage/clone-disk.ts';
import { makeOverlay } from '../../src/storage/overlay.ts';
import { fillTree } from './busybox-tree.ts';
import { textOf } from './guest-vm.ts';
import { TAG, identityAt } from './netns.ts';
import type { NetnsLab } from './netns.ts';
import { NetworkStage, admit } from './network-stage.ts';
import { openQemuStage } from './qemu-stage.ts';

const CACHE = new URL('../../.cache/kernel', import.meta.url).pathname;
const SIGNAL = new AbortController().signal;

export type Started = Extract<GuestState, { readonly state: 'started' }>;
export type Forkable = { readonly machine: Machine; readonly identity: Identity };

/** Real machines on real taps, behind the guard, with an internet in namespaces; QEMU itself stays outside of these. */
export type ForkStage = {
  readonly lab: NetnsLab;
  readonly links: GuestLinks;
  /** Boots one whose memory is kept, and waits for its program. */
  boot(ip: string, argv: readonly string[]): Promise<Forkable>;
  /** Freezes a running one; its tap is out of reach while it stands still. */
  freeze(source: Forkable): Promise<SnapshotPaths>;
  /** A fork that runs, with its tap still down. */
  fork(source: Forkable, base: SnapshotPaths, ip: string): Promise<Forkable>;
  /** Guards the tap for this identity, and lets it up. */
  connect(one: Forkable): Promise<void>;
  /** Suspends and restores it in place. */
  standby(one: Forkable): Promise<void>;
  run(one: Forkable, script: string): Promise<string>;
  /** Waits until the guest says so. */
  told(one: Forkable, wanted: (state: Started) => boolean): Promise<Started>;
  close(): Promise<void>;
};

export async function openForkStage(fill: (tree: string) => Promise<void>): Promise<ForkStage> {
  const qemu = await openQemuStage();
  const around = await new NetworkStage().setUp();
  const { lab } = around;
  const network = await around.open();
  const links = openGuestLinks({ connect: (path) => connectUnix(path), onChange: () => undefined });
  const root = await makeRoot(qemu.base, fill);
  const machines: Machine[] = [];
  const keeper = (): MemoryKeeper => {
    const { memory } = qemu.driver();
    if (memory === undefined) throw new Error('this driver keeps no memory');
    return memory;
  };
  const joined = async (plain: Machine, ip: string): Promise<Forkable> => {
    const at = identityAt(ip);
    const tap = tapNameFor(plain.id, TAG);
    const identity = { ...at, id: plain.id, tap, owner: plain.owner };
    await commandOutput('ip', [
      'tuntap',
      'add',
      'mode',
      'tap',
      'name',
      tap,
      'user',
      String(plain.owner.uid),
      'vnet_hdr',
    ]);
    await mkdir(plain.paths.directory, { recursive: true, mode: 0o711 });
    const machine = { ...plain, nic: { tap, mac: identity.mac }, disks: disksOf(plain, root) };
    machines.push(machine);
    return { machine, identity };
  };
  const connect = ({ identity }: Forkable): Promise<void> => letUp(lab, network, identity);
  const restore = async ({ machine }: Forkable, base?: SnapshotPaths): Promise<void> =>
    keeper().restore(machine, base === undefined ? { kind: 'standby' } : { kind: 'base', base }, SIGNAL);
  const told = async ({ machine }: Forkable, wanted: (state: Started) => boolean): Promise<Started> => {
    const end = performance.now() + 60_000;
    for (;;) {
      const seen = links.look(machine.id, machine.paths.guestSocket);
      if (seen.state === 'started' && wanted(seen)) return seen;
      if (performance.now() > end) throw new Error(`never, but ${JSON.stringify(seen)}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  return {
    ...{ lab, links, connect, told },
    boot: async (ip, argv) => {
      const one = await joined(await qemu.keptMachine(), ip);
      const machine = await bootable(qemu.base, one, argv);
      await qemu.driver().start(machine, SIGNAL);
      await connect(one);
      await told(one, () => true);
      return { ...one, machine };
    },
    freeze: async (source) => {
      const base = qemu.newBase();
      const copyDisks = async (directory: string): Promise<void> => {
        await takeBack(lab, source.identity);
        await copyWritableDisks(source.machine.disks, directory);
      };
      await keeper().freeze(source.machine, base, { copyDisks }, SIGNAL);
      await connect(source);
      return base;
    },
    fork: async (source, base, ip) => {
      const one = await joined(await qemu.forkOf(source.machine), ip);
      await cloneDisk(`${base.disks}/overlay.img`, one.machine.paths.overlay, one.machine.owner);
      await restore(one, base);
      return one;
    },
    standby: async (one) => {
      await keeper().suspend(one.machine, SIGNAL);
      await takeBack(lab, one.identity);
      await restore(one);
      await connect(one);
    },
    run: async ({ machine }, script) => {
      const session = await execSoon(links, machine.id, { argv: ['sh', '-c', script], env: {} });
      session.stdin.end('');
      const [stdout] = await Promise.all([textOf(session.stdout), textOf(session.stderr), session.exitCode]);
      return stdout.trim();
    },
    close: async () => {
      links.close();
      for (const machine of machines) {
        await qemu.driver().kill(machine, SIGNAL);
        if (machine.nic !== undefined)
          await commandOutput('ip', ['link', 'del', machine.nic.tap]).catch(() => '');
      }
      await around.close();
      await qemu.close();
    },
  };
}

/** QEMU holds on to a tap that moves: from the namespace where QEMU opened it to that of the lab's host. */
async function letUp(lab: NetnsLab, network: OpenNetwork, identity: Identity): Promise<void> {
  await commandOutput('ip', ['link', 'set', identity.tap, 'netns', lab.hostNs]);
  await network.guardTap(identity);
  await admit(network, identity);
}

async function takeBack(lab: NetnsLab, { tap }: Identity): Promise<void> {
  await commandOutput('ip', ['-n', lab.hostNs, 'link', 'set', tap, 'netns', String(process.pid)]);
}

/** The link of a machine that was just restored is on its way. */
async function execSoon(links: GuestLinks, ...asked: Parameters<GuestLinks['exec']>): Promise<ExecSession> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await links.exec(...asked);
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function disksOf({ paths }: Machine, root: string): readonly MachineDisk[] {
  return [
    { serial: 'root', path: root, readonly: true },
    { serial: 'overlay', path: paths.overlay, readonly: false },
  ];
}

async function bootable(
  base: string,
  { machine, identity }: Forkable,
  argv: readonly string[],
): Promise<Machine> {
  const roots = { state: base, run: base };
  const kernel = await installKernel({
    roots,
    sharedGid: SHARED_GID,
    cacheDir: CACHE,
    report: () => undefined,
  });
  const { id, paths, owner } = machine;
  await makeOverlay(paths.overlay, 64 * 1024 ** 2, owner);
  const { ip, gateway, mac } = identity;
  await writeBootArchive({
    ...{ base: kernel.initrd, paths, env: {}, fields: {}, owner },
    boot: {
      ...{ id, hostname: 'source', argv, imageEnv: {}, workdir: '/', user: '', stopSignal: 'SIGTERM' },
      ...{ agent: true, network: { ip, gateway, mac } },
    },
  });
  return { ...machine, kernel: kernel.path, initrd: [paths.bootArchive], cmdline: cmdlineFor('tcg') };
}

async function makeRoot(base: string, fill: (tree: string) => Promise<void>): Promise<string> {
  const tree = `${base}/tree`;
  await fillTree(tree);
  await fill(tree);
  await writeFile(`${tree}/etc/nsswitch.conf`, 'hosts: files dns\n');
  await commandOutput('mkfs.erofs', [`${base}/root.erofs`, tree]);
  return `${base}/root.erofs`;
}
