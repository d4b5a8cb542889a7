import type { Dimm, Hotplug } from './hotplug.ts';
import type { InstanceId, TapName } from './ids.ts';
import type { InstancePaths } from './paths.ts';

export const HYPERVISORS = ['cloud-hypervisor', 'firecracker', 'qemu', 'vz'] as const;
export type Hypervisor = (typeof HYPERVISORS)[number];

/** The unprivileged numeric user that runs one VMM; no two instances share one. */
export type Owner = {
  readonly uid: number;
  readonly gid: number;
  /** Lets the VMM read what instances share (images, kernel); nothing is writable by it. */
  readonly sharedGid: number;
};

/** How a disk is copied: `reflink` shares blocks until they are written to, `sparse-copy` copies all but holes. */
export type CloneMethod = 'reflink' | 'sparse-copy';

/** A block device. `serial` (at most 20 bytes, virtio-blk) is how init recognises it. */
export type MachineDisk = {
  readonly serial: string;
  readonly path: string;
  readonly readonly: boolean;
};

export type MachineNic = {
  readonly tap: TapName;
  readonly mac: string;
  /** Its cable is out: nothing that the guest sends leaves the VMM, and the guest cannot change that. */
  readonly link?: 'down';
};

/**
 * One virtual machine as every hypervisor understands it: all paths absolute, all defaults filled
 * in, no reference left to resolve. Drivers translate this and nothing else.
 */
export type Machine = {
  readonly id: InstanceId;
  readonly vcpus: number;
  readonly memoryBytes: number;
  /**
   * `file`: its RAM is a sparse file of its own (`paths.memory`), so that it can be suspended and forked at a
   * cost that does not grow with its RAM. Absent: anonymous memory, which ends with the VMM.
   */
  readonly memory?: 'file';
  /** Absent: no memory can be plugged in. */
  readonly hotplug?: Hotplug;
  readonly kernel: string;
  readonly initrd: readonly string[];
  readonly cmdline: string;
  readonly disks: readonly MachineDisk[];
  /** Limit for reading and writing all of them, taken together; absent: none. */
  readonly diskBytesPerSecond?: number;
  readonly nic?: MachineNic;
  readonly owner: Owner;
  readonly paths: InstancePaths;
};

/** A process is known by pid *and* start time *and* boot id: pids are reused (proc(5), field 22). */
export type ProcessIdentity = {
  readonly pid: number;
  /** Clock ticks after boot, `/proc/PID/stat` field 22. */
  readonly startTime: number;
  /** `/proc/sys/kernel/random/boot_id` */
  readonly bootId: string;
};

/** Why a VMM ended, when it told us before it went. */
export type MachineEnd = 'guest-shutdown' | 'guest-reset' | 'guest-panicked' | 'vmm-error';

/** Memory that is plugged in; absent: none. */
export type Plugged = { readonly dimms?: readonly Dimm[] };

/** The limit of its disks that is in force, 0 for none; absent: it cannot be changed while the machine is there. */
export type DiskLimit = { readonly diskBytesPerSecond?: number };

/** What a hypervisor says of one machine. Unreachable is `unknown`, never `absent`. */
export type MachineState =
  | { readonly state: 'absent'; readonly ended?: MachineEnd }
  | { readonly state: 'created'; readonly process: ProcessIdentity }
  | ({ readonly state: 'running'; readonly process: ProcessIdentity } & Plugged & DiskLimit)
  | ({ readonly state: 'paused'; readonly process: ProcessIdentity } & Plugged & DiskLimit)
  | { readonly state: 'shutdown'; readonly process: ProcessIdentity }
  | { readonly state: 'unknown'; readonly process: ProcessIdentity; readonly error: string };
