import { createHash } from 'node:crypto';
import { HOTPLUG_SLOTS, partOfSlot } from '../../machine/hotplug.ts';
import type { Dimm } from '../../machine/hotplug.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { Machine, MachineDisk, MachineNic } from '../../machine/machine.ts';
import type { InstancePaths } from '../../machine/paths.ts';

/** The QEMU of this host, as far as a command line depends on it. */
export type QemuFacts = {
  readonly program: string;
  readonly version: { readonly text: string; readonly major: number; readonly minor: number };
  readonly accelerator: 'kvm' | 'tcg';
  /** qboot.rom; absent means QEMU's own default, SeaBIOS, which boots a few hundred ms slower. */
  readonly firmware?: string;
};

/** TCG keeps translated code in RAM, a gigabyte of it by default; a VMM's overhead has to have a bound. */
const TCG_CODE_MIB = 128;
const MIB = 1024 * 1024;

/**
 * How a VMM comes by its RAM: at a `boot`, by going on with its `own` memory file, or privately on one that
 * is `frozen`, so that what it writes is its own and what it never touches is shared.
 */
export type Origin = 'boot' | 'own' | 'frozen';

/**
 * The arguments of the QEMU that runs this machine: the same machine and facts give the same
 * arguments, and they hold no secret. vCPUs wait for `cont` (-S). Keys and values by qemu(1) of 7.2.
 */
export function argvFor(machine: Machine, facts: QemuFacts, origin: Origin = 'boot'): readonly string[] {
  return [
    ...identityArguments(machine.id),
    ...boardArguments(machine, facts),
    ...(hasMemoryFile(machine, origin) ? memoryArguments(machine, facts, origin) : []),
    ...confinementArguments,
    ...channelArguments(machine.paths),
    ...limitArguments(machine),
    ...machine.disks.flatMap(diskArguments),
    ...(machine.nic === undefined ? [] : nicArguments(machine.nic)),
    ...(origin === 'boot' ? bootArguments(machine) : incomingArguments(machine.paths)),
    '-S',
  ];
}

export function hasMemoryFile({ memory }: Machine, origin: Origin): boolean {
  return memory === 'file' || origin !== 'boot';
}

/** QEMU counts RAM in MiB here; a guest never has less than was asked for. */
export function memoryMibOf({ memoryBytes }: Pick<Machine, 'memoryBytes'>): number {
  return Math.ceil(memoryBytes / MIB);
}

/** What QEMU calls the block in a slot, and the memory behind it. */
export function dimmNames(slot: number): { readonly device: string; readonly backend: string } {
  return { device: `dimm${slot}`, backend: `dimmram${slot}` };
}

/** Where a VMM that is to go on from a snapshot listens for the device state. */
export function incomingSocketOf(paths: InstancePaths): string {
  return `${paths.runDirectory}/in.sock`;
}

/** From 8.2 on a private mapping of a file can be had without the right to write to the file. */
export function opensFrozenReadOnly({ version: { major, minor } }: QemuFacts): boolean {
  return major > 8 || (major === 8 && minor >= 2);
}

function memoryArguments(machine: Machine, facts: QemuFacts, origin: Origin): readonly string[] {
  const sharing =
    origin !== 'frozen' ? 'share=on' : `share=off${opensFrozenReadOnly(facts) ? ',readonly=on,rom=off' : ''}`;
  const file = `id=ram0,size=${memoryMibOf(machine)}M,mem-path=${keyval(machine.paths.memory)}`;
  const dimms = machine.hotplug?.dimms ?? [];
  return [
    ...['-object', `memory-backend-file,${file},${sharing}`, '-machine', 'memory-backend=ram0'],
    ...dimms.flatMap((dimm) => dimmArguments(dimm, machine.paths.memory, sharing)),
  ];
}

/** Where it was when it was plugged in: the guest goes on with its memory at the same addresses. */
function dimmArguments({ slot, address, bytes }: Dimm, memory: string, sharing: string): readonly string[] {
  const { device, backend } = dimmNames(slot);
  const file = `id=${backend},size=${bytes},mem-path=${keyval(memory)}${partOfSlot(slot)}`;
  return [
    ...['-object', `memory-backend-file,${file},${sharing}`],
    ...['-device', `pc-dimm,id=${device},memdev=${backend},slot=${slot},addr=${address}`],
  ];
}

function bootArguments(machine: Machine): readonly string[] {
  return [
    ...['-kernel', machine.kernel],
    ...(machine.initrd.length === 0 ? [] : ['-initrd', initrdOf(machine.paths)]),
    ...['-append', machine.cmdline],
  ];
}

/**
 * The guest has its kernel already. What `xen-save-devices-state` writes has no configuration section, and
 * a load that expects one fails.
 */
function incomingArguments(paths: InstancePaths): readonly string[] {
  return [
    ...['-incoming', `unix:${incomingSocketOf(paths)}`],
    ...['-global', 'migration.send-configuration=off'],
  ];
}

/** The value of -name: what a VMM is found by in /proc when no record of it was written. */
export function nameFor(id: InstanceId): string {
  // TASK_COMM_LEN (linux/sched.h) leaves 15 visible characters.
  return `guest=${keyval(id)},process=${keyval(`hm-${id.slice(0, 12)}`)}`;
}

/** The chardev of QMP; it holds the path of one instance's socket, so it tells two state directories apart. */
export function controlChardevFor(paths: InstancePaths): string {
  return `socket,id=qmp,path=${keyval(paths.controlSocket)},server=on,wait=off`;
}

/** QEMU takes one initrd: the machine's archives, one after another. */
export function initrdOf(paths: InstancePaths): string {
  return `${paths.directory}/initrd.img`;
}

/** Stable over restarts, because guests derive their machine-id from it. Version 8 of RFC 9562. */
function uuidFor(id: InstanceId): string {
  const hex = createHash('sha256').update(id).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** No part of the device state: a guest that was copied reads the name of its copy (src/guest/init/hold.c). */
const MACHINE_NAME_FILE = 'opt/hypeman.dev/machine';

function identityArguments(id: InstanceId): readonly string[] {
  return [
    ...['-name', nameFor(id), '-uuid', uuidFor(id)],
    ...['-fw_cfg', `name=${MACHINE_NAME_FILE},string=${keyval(id)}`],
  ];
}

function boardArguments(machine: Machine, facts: QemuFacts): readonly string[] {
  const { major, minor } = facts.version;
  // HPET stays on: without KVM's clock it is what the kernel calibrates the TSC against.
  const board = 'smm=off,vmport=off,sata=off,smbus=off,mem-merge=off,dump-guest-core=off';
  return [
    ...['-machine', `pc-q35-${major}.${minor},${board}`],
    ...['-accel', facts.accelerator === 'kvm' ? 'kvm' : `tcg,tb-size=${TCG_CODE_MIB}`],
    ...['-cpu', facts.accelerator === 'kvm' ? 'host' : 'max'],
    ...['-smp', String(machine.vcpus)],
    ...['-m', `size=${memoryMibOf(machine)}M${roomArgument(machine)}`],
    ...(facts.firmware === undefined ? [] : ['-bios', facts.firmware]),
    // A reboot ends the VMM: what follows is decided by the controller, not by the guest.
    '-no-reboot',
  ];
}

function roomArgument({ memoryBytes, hotplug }: Machine): string {
  if (hotplug === undefined) return '';
  const mostBytes = memoryMibOf({ memoryBytes }) * MIB + hotplug.bytes;
  return `,slots=${HOTPLUG_SLOTS},maxmem=${mostBytes / MIB}M`;
}

/** Nothing that was not asked for, no configuration files, no screen, and QEMU's own seccomp filter. */
const confinementArguments: readonly string[] = [
  '-nodefaults',
  '-no-user-config',
  ...['-display', 'none'],
  ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ...['-msg', 'timestamp=on'],
];

function channelArguments(paths: InstancePaths): readonly string[] {
  return [
    ...['-chardev', controlChardevFor(paths), '-mon', 'chardev=qmp,mode=control'],
    // Appending lets the controller cut the log while QEMU writes to it.
    ...[
      '-chardev',
      `file,id=console,path=${keyval(paths.consoleLog)},append=on`,
      '-serial',
      'chardev:console',
    ],
    ...['-chardev', `socket,id=guest,path=${keyval(paths.guestSocket)},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci,id=serial0'],
    ...['-device', 'virtserialport,bus=serial0.0,nr=1,chardev=guest,name=hypeman'],
    ...['-object', 'rng-builtin,id=rng0', '-device', 'virtio-rng-pci,rng=rng0'],
  ];
}

/** The group of all disks: there without a limit too, so that one can be set while the machine runs. */
export const DISK_LIMIT = 'disk-limit';

function limitArguments({ diskBytesPerSecond = 0 }: Machine): readonly string[] {
  const limits = { 'bps-total': diskBytesPerSecond };
  return ['-object', JSON.stringify({ 'qom-type': 'throttle-group', id: DISK_LIMIT, limits })];
}

/**
 * Disks go through the host's page cache: what instances share is in memory once, a file on any
 * filesystem will do, and the guest's flushes still reach the disk (cache=writeback, the default).
 * aio=threads because io_uring and native AIO bring nothing without O_DIRECT. Discards punch holes,
 * so that a sparse overlay shrinks again. The lock keeps a second writer out, whoever starts it.
 */
function diskArguments(disk: MachineDisk, index: number): readonly string[] {
  const node = `disk${index}`;
  const raw = {
    driver: 'raw',
    'read-only': disk.readonly,
    discard: disk.readonly ? 'ignore' : 'unmap',
    file: {
      driver: 'file',
      filename: disk.path,
      'read-only': disk.readonly,
      discard: disk.readonly ? 'ignore' : 'unmap',
      locking: disk.readonly ? 'auto' : 'on',
      aio: 'threads',
    },
  };
  const device = ['-device', `virtio-blk-pci,id=vd${index},drive=${node},serial=${keyval(disk.serial)}`];
  const throttled = {
    'node-name': node,
    driver: 'throttle',
    'throttle-group': DISK_LIMIT,
    'read-only': disk.readonly,
    discard: raw.discard,
    file: raw,
  };
  return ['-blockdev', JSON.stringify(throttled), ...device];
}

/** What the network device is called. */
export const NIC = 'nic0';

/** The tap exists already and belongs to the VMM's user. No vhost: its device is root's alone. */
function nicArguments(nic: MachineNic): readonly string[] {
  return [
    ...['-netdev', `tap,id=net0,ifname=${keyval(nic.tap)},script=no,downscript=no,vhost=off`],
    // No option ROM: nothing boots from the network.
    ...['-device', `virtio-net-pci,id=${NIC},netdev=net0,mac=${keyval(nic.mac)},romfile=`],
  ];
}

/** In QEMU's key=value syntax a comma inside a value is written twice. */
function keyval(value: string): string {
  return value.replaceAll(',', ',,');
}
