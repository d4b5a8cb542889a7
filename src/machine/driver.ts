import type { InstanceId } from './ids.ts';
import type { Hypervisor, Machine, MachineState } from './machine.ts';
import type { InstancePaths } from './paths.ts';
import type { SnapshotPaths } from './snapshot-paths.ts';
import type { Abilities } from './snapshot.ts';

export type MachineRef = { readonly id: InstanceId; readonly paths: InstancePaths };

/** What this host can do with one hypervisor; `problem` names what is missing and how to get it. */
export type DriverFacts = {
  readonly version?: string;
  readonly accelerator?: 'kvm' | 'tcg' | 'hvf';
  readonly problem?: string;
  /** Absent: nothing but starting and ending machines. */
  readonly abilities?: Abilities;
};

/**
 * What the controller asks of a hypervisor. Every call is safe to repeat: starting a running
 * machine and killing an absent one succeed and change nothing. VMMs are processes of their own:
 * none of them ends when the controller does, and `observe` finds one that an earlier controller
 * started by its recorded identity.
 */
export type Driver = {
  readonly name: Hypervisor;
  /** Cheap after the first call: the answer is cached for the life of the driver. */
  facts(signal: AbortSignal): Promise<DriverFacts>;
  observe(ref: MachineRef, signal: AbortSignal): Promise<MachineState>;
  /**
   * Starts the VMM and its vCPUs; returns when they run, not when the guest is up. Throws
   * HypemanError with the tail of the VMM's own words when it does not come up, and leaves no process.
   * A machine in standby is not started: `InStandby`.
   */
  start(machine: Machine, signal: AbortSignal): Promise<void>;
  /** Presses the power button, for guests that listen to it; says nothing about success. */
  pressPowerButton(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /** Ends the VMM at once and returns when its process is gone and its run directory is removed. */
  kill(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /**
   * Plugs in what a running machine lacks of `bytes` of RAM, as one block, and returns when the VMM has it; the
   * guest takes it up by itself. One that has so much is left alone. Throws `DiskFull`, `CannotGrow`, or what
   * the VMM says, and nothing is plugged in then. Absent: no memory can be added to a running machine.
   */
  growMemory?(machine: Machine, bytes: number, signal: AbortSignal): Promise<void>;
  /**
   * From now on its disks take so many bytes per second, 0 for no limit. Throws `CannotThrottle`, or what the VMM says.
   * Absent: it takes another start.
   */
  throttleDisks?(ref: MachineRef, bytesPerSecond: number, signal: AbortSignal): Promise<void>;
  /** Absent: this hypervisor keeps no memory. */
  readonly memory?: MemoryKeeper;
  /** Lets go of connections; machines run on. */
  close(): Promise<void>;
};

/**
 * Standby, restore and fork. While `paths.standby` is there, no vCPU of its machine runs: it is removed
 * before they go on, and nothing else than these calls and `discardSnapshot` touches it.
 */
export type MemoryKeeper = {
  /**
   * Ends the VMM and leaves `paths.standby`; repeated, it finishes what was cut short. One that fails
   * (`DiskFull`, `CannotSuspend`) lets the machine run on and leaves nothing. The memory may be in the page
   * cache alone when it returns: have it settled next.
   */
  suspend(machine: Machine, signal: AbortSignal): Promise<void>;
  /**
   * The machine goes on from its standby, which is used up, or as a fork from a base, which is not. Tap,
   * guard, policy and disks are in place before. A restore that fails (`SnapshotUnusable`, or what `start`
   * throws) leaves the snapshot as it was and no process. A running machine is left alone.
   */
  restore(machine: Machine, from: RestoreFrom, signal: AbortSignal): Promise<void>;
  /**
   * Makes `base` of the machine as it is now: running, or in standby. A running one is paused for the
   * shortest time and runs on; one in standby stays there. Its memory is frozen and shared, so what it
   * writes from now on is its own. Whatever goes wrong, no half-made base carries the name, and the machine
   * runs or is in standby, to be restored.
   */
  freeze(machine: Machine, base: SnapshotPaths, options: FreezeOptions, signal: AbortSignal): Promise<Frozen>;
};

export type RestoreFrom =
  { readonly kind: 'standby' } | { readonly kind: 'base'; readonly base: SnapshotPaths };

export type FreezeOptions = {
  /** Called before a running machine is paused, when what takes long is done. A failure ends the freezing. */
  readonly onReady?: () => Promise<void>;
  /** Called as soon as no vCPU of a running machine runs. A throw ends the freezing. */
  readonly onPaused?: () => void;
  /**
   * Called while no vCPU runs and all that the guest flushed is in its disks' files: puts copies of the
   * writable ones into this directory. A failure ends the freezing.
   */
  readonly copyDisks: (directory: string) => Promise<void>;
};

/** How long the machine stood still for it. */
export type Frozen = { readonly pausedMs: number };

/** What this host runs machines on. */
export type Drivers = Readonly<Partial<Record<Hypervisor, Driver>>>;

/** What a driver tells without being asked: something changed, look again. */
export type MachineListener = (id: InstanceId) => void;
