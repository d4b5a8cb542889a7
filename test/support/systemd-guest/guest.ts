import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { cpioOf, DIRECTORY_MODE, PROGRAM_MODE } from '../../../src/guest/cpio.ts';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { debianLayer, kernelPackage } from '../agent-image.ts';
import { makeSmallImage } from '../cluster-node-image.ts';
import { KUBELET } from '../cluster-node.ts';
import { kubeletFiles } from './kubelet-files.ts';

const ROOT = new URL('../../../', import.meta.url).pathname;
const ERRAND = `${ROOT}test/support/systemd-guest/errand.sh`;
const TOOLS = [
  '/usr/bin/mmdebstrap',
  '/usr/bin/qemu-system-x86_64',
  '/sbin/mkfs.ext4',
  '/bin/busybox',
  KUBELET,
];
const PACKAGES =
  'systemd systemd-sysv containerd runc kmod procps util-linux mount iptables libatomic1'.split(' ');
/** What the disk is found by, in the order in which they need one another. */
const MODULES = 'virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk'.split(
  ' ',
);
const DISK_BYTES = 6 * 1024 ** 3;

export function systemdGuestMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'its disk needs root';
  const missing = TOOLS.filter((path) => !existsSync(path));
  return missing.length === 0 ? undefined : `no ${missing.join(', ')}`;
}

/**
 * Boots a Debian with systemd, cgroups of version 2 alone, containerd and a kubelet, with this tree in /opt/hm, does
 * the errand in it, and returns the lines of what that said. Throws with the end of the console when it has not ended
 * by then.
 */
export async function doErrand(withinMs: number): Promise<readonly string[]> {
  const work = await mkdtemp('/var/tmp/hm-systemd-');
  try {
    await makeDisk(work);
    const [disk, said, console] = ['disk.img', 'said', 'console.log'].map((name) => `${work}/${name}`);
    const drive = `file=${disk ?? ''},if=virtio,format=raw,cache=unsafe`;
    await runCommand(
      'qemu-system-x86_64',
      [
        ...['-machine', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '3G'],
        ...['-nodefaults', '-display', 'none', '-no-reboot', '-drive', drive],
        ...['-kernel', `${work}/vmlinuz`, '-initrd', `${work}/initrd`],
        ...['-append', 'console=ttyS0 systemd.unified_cgroup_hierarchy=1'],
        ...['-serial', `file:${console ?? ''}`, '-serial', `file:${said ?? ''}`],
      ],
      { timeoutMs: withinMs },
    ).catch(async (error: unknown) => {
      const texts = await Promise.all(
        [said, console].map((path) => readFile(path ?? '', 'utf8').catch(() => '')),
      );
      throw new Error(`the errand has not ended:\n${texts.map((text) => text.slice(-3000)).join('\n')}`, {
        cause: error,
      });
    });
    return (await readFile(said ?? '', 'utf8')).split(/\r?\n/);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function makeDisk(work: string): Promise<void> {
  const root = `${work}/root`;
  await mkdir(root);
  await commandOutput('tar', ['-C', root, '-xf', await debianLayer('bookworm', PACKAGES)]);
  await addKernel(work, root);
  await addTree(root);
  await addErrand(root);
  await commandOutput('truncate', ['-s', String(DISK_BYTES), `${work}/disk.img`]);
  await commandOutput('mkfs.ext4', ['-q', '-F', '-d', root, `${work}/disk.img`], { timeoutMs: 300_000 });
}

async function addKernel(work: string, root: string): Promise<void> {
  await commandOutput('dpkg-deb', ['-x', await kernelPackage(), `${work}/kernel`]);
  const [version = ''] = await readdir(`${work}/kernel/lib/modules`);
  await cp(`${work}/kernel/boot/vmlinuz-${version}`, `${work}/vmlinuz`);
  await cp(`${work}/kernel/lib/modules/${version}`, `${root}/lib/modules/${version}`, { recursive: true });
  await commandOutput('depmod', ['-b', root, version]);
  const found = await commandOutput('find', [`${root}/lib/modules`, '-name', '*.ko']);
  const modules = MODULES.map((name) => found.split('\n').find((path) => path.endsWith(`/${name}.ko`)) ?? '');
  const init = `#!/busybox sh
/busybox mount -t devtmpfs dev /dev
for module in ${modules.map((_, index) => index).join(' ')}; do /busybox insmod /$module.ko; done
while ! [ -e /dev/vda ]; do /busybox sleep 0.1; done
/busybox mount -t ext4 /dev/vda /root
exec /busybox switch_root /root /sbin/init
`;
  const directories = ['dev', 'root'].map((name) => ({ name, mode: DIRECTORY_MODE }));
  const programs = [
    { name: 'init', mode: PROGRAM_MODE, content: Buffer.from(init) },
    { name: 'busybox', mode: PROGRAM_MODE, content: await readFile('/bin/busybox') },
    ...(await Promise.all(
      modules.map(async (path, index) => ({
        name: `${index}.ko`,
        mode: PROGRAM_MODE,
        content: await readFile(path),
      })),
    )),
  ];
  await writeFile(`${work}/initrd`, cpioOf([...directories, ...programs]));
}

/** The program, its tests, and what runs them. */
async function addTree(root: string): Promise<void> {
  const tree = `${root}/opt/hm`;
  await mkdir(tree, { recursive: true });
  const parts = ['src', 'test', 'crds', 'package.json', 'node_modules'].map((name) => `${ROOT}${name}`);
  await commandOutput('cp', ['-a', ...parts, tree], { timeoutMs: 300_000 });
  await cp(process.execPath, `${root}/usr/local/bin/node`);
  await cp(KUBELET, `${root}/usr/local/bin/kubelet`);
  await makeSmallImage(`${root}/small-image`);
  await commandOutput('tar', ['-C', `${root}/small-image`, '-cf', `${tree}/small.tar`, '.']);
  for (const [name, text] of Object.entries(kubeletFiles())) await writeFile(`${tree}/${name}`, text);
  await cp(`${tree}/containerd.toml`, `${root}/etc/containerd/config.toml`);
}

async function addErrand(root: string): Promise<void> {
  await cp(ERRAND, `${root}/errand.sh`);
  const units = `${root}/etc/systemd/system`;
  const command = `/bin/bash -c '/bin/bash /errand.sh >/dev/ttyS1 2>&1; sync; poweroff --force'`;
  await writeFile(`${units}/errand.service`, `[Service]\nExecStart=${command}\n`);
  await mkdir(`${units}/multi-user.target.wants`, { recursive: true });
  await symlink('../errand.service', `${units}/multi-user.target.wants/errand.service`);
  await rm(`${units}/multi-user.target.wants/containerd.service`, { force: true });
  await writeFile(`${root}/etc/fstab`, '/dev/vda / ext4 rw 0 1\n');
}
