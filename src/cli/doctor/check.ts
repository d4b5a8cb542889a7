import type { CloneMethod } from '../../machine/machine.ts';
import type { CommandResult } from '../../host/exec.ts';

/** What a check found, what that means, and, where something is amiss, how to mend it. */
export type Finding =
  | { readonly level: 'ok'; readonly means: string }
  | { readonly level: 'warn' | 'fail'; readonly means: string; readonly fix: string };

/** One question to the host. Leaves it as it was; repeatable. */
export type Check = { readonly name: string; readonly look: (host: HostProbe) => Promise<Finding> };

/** The host as the checks see it. A test passes another one. */
export type HostProbe = {
  readonly uid: number;
  readonly now: () => number;
  /** The text of a file, or undefined when there is none. */
  readonly read: (path: string) => Promise<string | undefined>;
  readonly exists: (path: string) => Promise<boolean>;
  /** Whether this process has this file open. */
  readonly holdsOpen: (pid: number, path: string) => Promise<boolean>;
  /** Bytes that can be written where this path lies, or would lie. */
  readonly freeBytes: (path: string) => Promise<number>;
  /** How disks are copied where this path lies, or would lie: found out by trying, with nothing left. */
  readonly cloneMethod: (path: string) => Promise<CloneMethod>;
  /** Exit code and output, whatever the code; throws `ToolMissing`. */
  readonly run: (program: string, args: readonly string[], input?: string) => Promise<CommandResult>;
};

export function ok(means: string): Finding {
  return { level: 'ok', means };
}

export function warn(means: string, fix: string): Finding {
  return { level: 'warn', means, fix };
}

export function fail(means: string, fix: string): Finding {
  return { level: 'fail', means, fix };
}
