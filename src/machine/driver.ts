import type { InstanceId } from './ids.ts';
import type { Hypervisor, Machine, MachineState } from './machine.ts';
import type { InstancePaths } from './paths.ts';

export type MachineRef = { readonly id: InstanceId; readonly paths: InstancePaths };

/** What this host can do with one hypervisor; `problem` names what is missing and how to get it. */
export type DriverFacts = {
  readonly version?: string;
  readonly accelerator?: 'kvm' | 'tcg' | 'hvf';
  readonly problem?: string;
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
   */
  start(machine: Machine, signal: AbortSignal): Promise<void>;
  /** Presses the power button, for guests that listen to it; says nothing about success. */
  pressPowerButton(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /** Ends the VMM at once and returns when its process is gone and its run directory is removed. */
  kill(ref: MachineRef, signal: AbortSignal): Promise<void>;
  /** Lets go of connections; machines run on. */
  close(): Promise<void>;
};

/** What this host runs machines on. */
export type Drivers = Readonly<Partial<Record<Hypervisor, Driver>>>;

/** What a driver tells without being asked: something changed, look again. */
export type MachineListener = (id: InstanceId) => void;
