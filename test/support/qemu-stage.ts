import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { openQemuDriver } from '../../src/drivers/qemu/driver.ts';
import { cpioOf, DIRECTORY_MODE, PROGRAM_MODE } from '../../src/guest/cpio.ts';
import { namesIn, readIfThere } from '../../src/host/files.ts';
import { allPids, argumentsOf, readBootId } from '../../src/host/processes.ts';
import { discardSnapshot, readSnapshot } from '../../src/host/snapshot-files.ts';
import type { Driver, MachineRef } from '../../src/machine/driver.ts';
import { instanceId, snapshotId } from '../../src/machine/ids.ts';
import type { InstanceId } from '../../src/machine/ids.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { ownerFor, SHARED_GID } from '../../src/machine/owner.ts';
import { basePathsFor, pathsFor } from '../../src/machine/paths.ts';
import type { SnapshotPaths } from '../../src/machine/snapshot-paths.ts';
import type { GrowthStage } from '../conformance/growth-suite.ts';
import { plainKernel } from './plain-kernel.ts';

/** Real QEMU processes in a place of their own; the kernel is real, the guest a busybox script. */
export type QemuStage = GrowthStage & {
  readonly bootId: string;
  readonly base: string;
  /** Parts of a machine put in place of the usual ones. */
  machineWith(parts: Partial<Machine>): Promise<Machine>;
  /** As `keptMachine` and `newBase`, with another state directory. */
  keptMachineIn(state: string): Promise<Machine>;
  newBaseIn(state: string): SnapshotPaths;
  /** The processes whose arguments name this machine. */
  pidsOf(ref: MachineRef): Promise<readonly number[]>;
};

const INIT = `#!/busybox sh
/busybox mkdir -p /proc
/busybox mount -t proc proc /proc
echo "the guest is up"
case "$(/busybox cat /proc/cmdline)" in *guest=powers-off*) /busybox poweroff -f ;; esac
case "$(/busybox cat /proc/cmdline)" in *guest=counts*)
  n=0
  while :; do n=$((n+1)); echo "counted $n"; /busybox usleep 50000; done ;;
esac
# Fills its memory, some of it in each round, and counts only while all of it is as it was written.
case "$(/busybox cat /proc/cmdline)" in *guest=hoards*)
  /busybox mknod /dev/urandom c 1 9
  /busybox mkdir -p /hoard
  /busybox mount -t tmpfs none /hoard
  cd /hoard
  n=0
  while :; do
    if [ "$(/busybox awk '/MemAvailable/ { print $2 }' /proc/meminfo)" -gt 80000 ]; then
      # A part of what there is now.
      /busybox mount -o remount,size=90% /hoard
      /busybox dd if=/dev/urandom of=f$n bs=1M count=32 2>/dev/null
      /busybox md5sum f$n >>sums
    fi
    /busybox md5sum -cs sums || { echo "the hoard is spoiled"; break; }
    n=$((n+1))
    echo "hoarded $(/busybox wc -l <sums)"
    echo "counted $n"
  done ;;
esac
while :; do /busybox sleep 3600; done
`;

const KEPT = {
  memory: 'file',
  cmdline: 'console=ttyS0 panic=1 quiet guest=counts memhp_default_state=online swiotlb=1024',
} as const;
const ROOM = { bytes: 512 * 1024 ** 2, dimms: [] };

/** Owners far from those that a controller on this host would lease. */
const FIRST_OWNER = 0x10_0000;

export async function openQemuStage(): Promise<QemuStage> {
  const unpacked = await plainKernel();
  // The VMMs are unprivileged and must pass through: not mkdtemp's own 0700.
  const base = await mkdtemp('/var/tmp/hypeman-driver-');
  const run = await mkdtemp('/run/hmd-');
  for (const path of [base, run]) await chmod(path, 0o711);
  const roots = { state: base, run };
  await mkdir(`${base}/instances`, { mode: 0o711 });
  // A copy, because the VMMs may not be able to reach a checkout.
  const kernel = `${base}/vmlinux`;
  await copyFile(unpacked, kernel);
  const initrd = `${base}/initrd`;
  await writeFile(initrd, await guestArchive());
  const bootId = await readBootId();
  const told: InstanceId[] = [];
  const open = (): Driver =>
    openQemuDriver({
      ...{ bootId, onChange: (id) => told.push(id), accelerator: 'tcg', sharedGid: SHARED_GID },
      acceleratorCache: `${base}/accelerator.json`,
      kernelPath: () => Promise.resolve(kernel),
    });
  let driver = open();
  const machines: Machine[] = [];
  let bases = 0;
  const machineWith = (parts: Partial<Machine>): Promise<Machine> => {
    const count = machines.length;
    const id = instanceId(`${process.pid}x${count}`.padStart(24, 't'));
    const machine: Machine = {
      ...{ id, vcpus: 1, memoryBytes: 256 * 1024 * 1024, kernel, initrd: [initrd], disks: [] },
      cmdline: 'console=ttyS0 panic=1 quiet',
      owner: ownerFor(FIRST_OWNER + count),
      paths: pathsFor(roots, id),
      ...parts,
    };
    machines.push(machine);
    return Promise.resolve(machine);
  };
  const newBaseIn = (state: string): SnapshotPaths => {
    bases += 1;
    return basePathsFor({ ...roots, state }, snapshotId(`base${bases}`));
  };
  const signalAll = async (ref: MachineRef, signal: NodeJS.Signals): Promise<void> => {
    for (const pid of await pidsOf(ref)) process.kill(pid, signal);
  };
  return {
    ...{ bootId, base, told, machineWith, pidsOf },
    driver: () => driver,
    machine: (guest = 'idles') => machineWith({ cmdline: `console=ttyS0 panic=1 quiet guest=${guest}` }),
    keptMachine: () => machineWith(KEPT),
    roomyMachine: () => machineWith({ ...KEPT, hotplug: ROOM }),
    forkOf: ({ memoryBytes, vcpus, disks, hotplug }) =>
      machineWith({
        ...{ ...KEPT, memoryBytes, vcpus, disks },
        ...(hotplug === undefined ? {} : { hotplug }),
      }),
    countOf: async ({ paths }) =>
      Number(/.*counted (\d+)\r?\n/s.exec((await readIfThere(paths.consoleLog)) ?? '')?.[1] ?? 0),
    keptMachineIn: async (state) => {
      const machine = await machineWith(KEPT);
      await mkdir(`${state}/instances`, { recursive: true, mode: 0o711 });
      return { ...machine, paths: pathsFor({ ...roots, state }, machine.id) };
    },
    newBase: () => newBaseIn(base),
    newBaseIn,
    snapshotAt: async (paths) => (await readSnapshot(paths, bootId)).state,
    discard: discardSnapshot,
    impossibleMachine: () => machineWith({ kernel: `${base}/no-such-kernel` }),
    restartController: async () => {
      await driver.close();
      driver = open();
    },
    vmmsOf: async (ref) => (await pidsOf(ref)).length,
    tracesOf: tracesOf,
    killFromOutside: (ref) => signalAll(ref, 'SIGKILL'),
    freeze: (ref) => signalAll(ref, 'SIGSTOP'),
    thaw: (ref) => signalAll(ref, 'SIGCONT'),
    close: async () => {
      for (const machine of machines) await signalAll(machine, 'SIGKILL');
      await driver.close();
      for (const path of [base, run]) await rm(path, { recursive: true });
    },
  };
}

async function pidsOf({ paths }: MachineRef): Promise<readonly number[]> {
  const found: number[] = [];
  for (const pid of await allPids())
    if ((await argumentsOf(pid)).some((argument) => argument.includes(paths.controlSocket))) found.push(pid);
  return found;
}

async function tracesOf({ paths }: MachineRef): Promise<readonly string[]> {
  const logs = [paths.consoleLog, paths.vmmLog].map((path) => path.slice(paths.directory.length + 1));
  const left = (await namesIn(paths.directory)).filter((name) => !logs.includes(name));
  const running = await namesIn(paths.runDirectory.slice(0, paths.runDirectory.lastIndexOf('/')));
  return [...left, ...running.filter((name) => paths.runDirectory.endsWith(`/${name}`))];
}

async function guestArchive(): Promise<Buffer> {
  return cpioOf([
    { name: 'dev', mode: DIRECTORY_MODE },
    { name: 'busybox', mode: PROGRAM_MODE, content: await readFile('/bin/busybox') },
    { name: 'init', mode: PROGRAM_MODE, content: Buffer.from(INIT) },
  ]);
}
