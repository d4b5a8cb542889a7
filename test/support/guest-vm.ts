import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeBootArchive } from '../../src/guest/boot-archive.ts';
import { cmdlineFor } from '../../src/guest/cmdline.ts';
import type { GuestLinks } from '../../src/guest/guest-links.ts';
import { installKernel } from '../../src/guest/kernel.ts';
import { openGuestLinks } from '../../src/guest/links.ts';
import { commandOutput } from '../../src/host/exec.ts';
import { connectUnix } from '../../src/host/unix-socket.ts';
import type { BootDescription } from '../../src/machine/boot.ts';
import type { GuestState } from '../../src/machine/guest.ts';
import { instanceId } from '../../src/machine/ids.ts';
import type { InstanceId } from '../../src/machine/ids.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { fillTree } from './busybox-tree.ts';

const CACHE = new URL('../../.cache/kernel', import.meta.url).pathname;
const OWNER = { uid: 0, gid: 0, sharedGid: 0 };

/** What the VM tests share: one kernel and one image made of busybox. */
export type GuestStage = {
  readonly directory: string;
  boot(wish: GuestWish): Promise<GuestVm>;
  /** Another image: busybox and what `fill` puts into its tree. Returns its disk. */
  image(name: string, fill: (tree: string) => Promise<void>): Promise<string>;
  close(): Promise<void>;
};

export type GuestWish = {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workdir?: string;
  readonly stopSignal?: string;
  readonly agent?: boolean;
  readonly memoryMib?: number;
  readonly network?: BootDescription['network'];
  readonly egress?: BootDescription['egress'];
  /** A disk of `image`. */
  readonly root?: string;
  /** An overlay of an earlier VM, to be started again with. */
  readonly overlay?: string;
};

export type GuestVm = {
  readonly id: InstanceId;
  readonly links: GuestLinks;
  readonly socket: string;
  readonly overlay: string;
  look(): GuestState;
  /** Waits for a state, looking as the controller would. */
  until<S extends GuestState['state']>(state: S): Promise<Extract<GuestState, { state: S }>>;
  /** Runs to the end and gives code and output. */
  run(argv: readonly string[], input?: string): Promise<{ code: number; stdout: string; stderr: string }>;
  console(): Promise<string>;
  /** A second controller in place of the first. */
  reconnect(): void;
  /** Whether QEMU ended by itself within the time. */
  ended(withinMs?: number): Promise<boolean>;
  kill(): Promise<void>;
};

export async function openGuestStage(): Promise<GuestStage> {
  const directory = await mkdtemp('/var/tmp/hypeman-guest-');
  const roots = { state: directory, run: directory };
  const kernel = await installKernel({ roots, sharedGid: 0, cacheDir: CACHE, report: () => undefined });
  const image = async (name: string, fill: (tree: string) => Promise<void>): Promise<string> => {
    const tree = join(directory, `${name}.tree`);
    await fillTree(tree);
    await fill(tree);
    const disk = join(directory, `${name}.erofs`);
    await commandOutput('mkfs.erofs', [disk, tree]);
    return disk;
  };
  const root = await image('root', async () => Promise.resolve());
  const vms: GuestVm[] = [];
  return {
    directory,
    boot: async (wish) => {
      const vm = await startVm({
        directory: join(directory, `vm${vms.length}`),
        kernel,
        root: wish.root ?? root,
        wish,
      });
      vms.push(vm);
      return vm;
    },
    image,
    close: async () => {
      for (const vm of vms) await vm.kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

type Parts = {
  readonly directory: string;
  readonly kernel: { readonly path: string; readonly initrd: string };
  readonly root: string;
  readonly wish: GuestWish;
};

async function startVm({ directory, kernel, root, wish }: Parts): Promise<GuestVm> {
  await mkdir(directory, { recursive: true });
  const id = instanceId('guestundertest');
  const overlay = wish.overlay ?? join(directory, 'overlay.img');
  if (wish.overlay === undefined) {
    await commandOutput('truncate', ['-s', '256M', overlay]);
    await commandOutput('mke2fs', ['-q', '-t', 'ext4', '-F', overlay]);
  }
  const paths = { bootArchive: join(directory, 'boot.cpio'), bootFields: join(directory, 'boot.json') };
  const { argv, user = '', workdir = '/', stopSignal = 'SIGTERM', agent = true, network, egress } = wish;
  const env = Object.fromEntries(
    Object.entries(wish.env ?? {}).map(([name, value]) => [name, new Secret(value)]),
  );
  await writeBootArchive({
    ...{ base: kernel.initrd, paths, env, fields: {}, owner: OWNER },
    boot: {
      ...{
        id,
        hostname: 'testguest',
        argv,
        imageEnv: { FROM_IMAGE: 'yes' },
        workdir,
        user,
        stopSignal,
        agent,
      },
      ...(network === undefined ? {} : { network }),
      ...(egress === undefined ? {} : { egress }),
    },
  });
  const socket = join(directory, 'g.sock');
  const consoleLog = join(directory, 'console.log');
  const qemu = spawn(
    'qemu-system-x86_64',
    qemuArguments({
      kernel: kernel.path,
      initrd: paths.bootArchive,
      root,
      overlay,
      socket,
      consoleLog,
      wish,
    }),
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  return guestVm({ id, socket, overlay, consoleLog, qemu });
}

function qemuArguments(parts: {
  readonly kernel: string;
  readonly initrd: string;
  readonly root: string;
  readonly overlay: string;
  readonly socket: string;
  readonly consoleLog: string;
  readonly wish: GuestWish;
}): readonly string[] {
  const { wish } = parts;
  const network =
    wish.network === undefined
      ? []
      : [
          '-netdev',
          'user,id=n0,restrict=on',
          '-device',
          `virtio-net-pci,netdev=n0,mac=${wish.network.mac},romfile=`,
        ];
  return [
    ...['-machine', 'q35,accel=tcg', '-cpu', 'max', '-smp', '1', '-m', String(wish.memoryMib ?? 256)],
    ...['-bios', 'qboot.rom', '-kernel', parts.kernel, '-initrd', parts.initrd, '-append', cmdlineFor('tcg')],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-chardev', `file,id=con,path=${parts.consoleLog}`, '-serial', 'chardev:con'],
    ...['-drive', `if=none,id=d0,file=${parts.root},format=raw,read-only=on`],
    ...['-device', 'virtio-blk-pci,drive=d0,serial=root'],
    ...['-drive', `if=none,id=d1,file=${parts.overlay},format=raw`],
    ...['-device', 'virtio-blk-pci,drive=d1,serial=overlay'],
    ...[
      '-device',
      'virtio-serial-pci,id=vs0',
      '-chardev',
      `socket,id=ag,path=${parts.socket},server=on,wait=off`,
    ],
    ...['-device', 'virtserialport,bus=vs0.0,nr=1,chardev=ag,name=hypeman'],
    ...['-object', 'rng-builtin,id=rng0', '-device', 'virtio-rng-pci,rng=rng0'],
    ...network,
  ];
}

function guestVm(parts: {
  readonly id: InstanceId;
  readonly socket: string;
  readonly overlay: string;
  readonly consoleLog: string;
  readonly qemu: ChildProcess;
}): GuestVm {
  const { id, socket, qemu } = parts;
  const gone = new Promise<true>((resolve) => {
    qemu.once('exit', () => {
      resolve(true);
    });
  });
  const open = (): GuestLinks =>
    openGuestLinks({ connect: (path) => connectUnix(path), onChange: () => undefined });
  let links = open();
  const look = (): GuestState => links.look(id, socket);
  const text = async (): Promise<string> => readFile(parts.consoleLog, 'utf8').catch(() => '');
  return {
    ...{ id, socket, overlay: parts.overlay, look, console: text },
    get links() {
      return links;
    },
    until: async (state) => {
      for (let tries = 0; tries < 4500; tries += 1) {
        const seen = look();
        if (seen.state === state) return seen as never;
        await sleep(20);
      }
      throw new Error(`never ${state}, but ${JSON.stringify(look())}; console:\n${await text()}`);
    },
    run: async (argv, input) => {
      const session = await links.exec(id, { argv, env: {} });
      session.stdin.end(input ?? '');
      const [stdout, stderr, code] = await Promise.all([
        textOf(session.stdout),
        textOf(session.stderr),
        session.exitCode,
      ]);
      return { code, stdout, stderr };
    },
    reconnect: () => {
      links.close();
      links = open();
    },
    ended: (withinMs = 30_000) => Promise.race([gone, sleep(withinMs, false)]),
    kill: async () => {
      links.close();
      qemu.kill('SIGKILL');
      if (qemu.exitCode === null && qemu.signalCode === null) await gone;
    },
  };
}

export async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(Buffer.from(part));
  return Buffer.concat(parts).toString();
}
