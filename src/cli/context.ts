import type { DriverFacts } from '../machine/driver.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { PlannedInstance } from './planned.ts';
import type { RunOptions } from './run-options.ts';

/** A terminal or a pipe to read from; `setRawMode` exists on a terminal only. */
export type Input = NodeJS.ReadableStream & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
};

/** A terminal or a pipe to write to; a terminal has a size and emits 'resize'. */
export type Output = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** Everything the command line takes from outside. main.ts makes one; a test makes another. */
export type CliContext = {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly setExitCode: (code: number) => void;
  readonly version: string;
  /** The name under which the program was called; absent: its own. */
  readonly calledAs?: string;
  /** Runs the controller until `signal`, or with `once` until rest. Returns the exit code. */
  readonly run: (options: RunOptions) => Promise<number>;
  /** What these files would do on this host, asked of the real eyes and the real planner. */
  readonly planFiles: (paths: readonly string[], places: Places) => Promise<readonly PlannedInstance[]>;
  /** What each hypervisor can do here; a trial boot may take seconds. */
  readonly driverFacts: (
    places: Places,
    signal: AbortSignal,
  ) => Promise<Readonly<Partial<Record<Hypervisor, DriverFacts>>>>;
};

/** Where the controller of this host keeps its things: the two options that every command has. */
export type Places = {
  /** `/var/lib/hypeman` */
  readonly stateDir: string;
  /** `/run/hypeman` */
  readonly runDir: string;
};

/** The socket on which a running controller answers. */
export function controllerSocketOf(places: Places): string {
  return `${places.runDir}/controller.sock`;
}
