import { runCommand } from '../host/exec.ts';
import type { CommandResult } from '../host/exec.ts';
import { writeSysctls } from '../host/sysctl.ts';
import type { Sysctls } from '../host/sysctl.ts';
import { watchLines } from '../host/watch-lines.ts';
import type { LineListener, LineWatch } from '../host/watch-lines.ts';

/** The network stack that is worked on. Tests give one that lives in a network namespace of their own. */
export type NetworkHost = {
  /** As `runCommand`: throws `ToolMissing`, but a failure is a result. */
  run(program: string, args: readonly string[], input?: string): Promise<CommandResult>;
  writeSysctls(wanted: Sysctls): Promise<void>;
  watchLines(program: string, args: readonly string[], listener: LineListener): LineWatch;
};

const DEADLINE_MS = 20_000;
/** Asked to end at its deadline and killed 5 s later (execa). Others wait in line behind a device that will not go. */
const LET_GO_MS = 10_000;

export const thisHost: NetworkHost = {
  run: (program, args, input) =>
    runCommand(program, args, {
      ...{ timeoutMs: DEADLINE_MS, letGoMs: LET_GO_MS },
      ...(input === undefined ? {} : { input }),
    }),
  writeSysctls,
  watchLines,
};
