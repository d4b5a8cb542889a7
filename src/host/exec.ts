import { execa } from 'execa';
import { HypemanError } from '../errors.ts';

export type CommandResult = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

export type CommandOptions = {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  /**
   * How long past its deadline a program is waited for that does not even end when it is killed, because the kernel
   * holds it; without, for ever. It is left behind, and may still do what it was asked to.
   */
  readonly letGoMs?: number;
  readonly input?: string;
  readonly cwd?: string;
  /** The output to the byte, for what is hashed; otherwise one newline at its end is cut. */
  readonly exactOutput?: boolean;
  /** Added to a minimal environment; the controller's own is never passed on. */
  readonly env?: Readonly<Record<string, string>>;
};

const DEFAULT_TIMEOUT_MS = 120_000;
const STDERR_TAIL = 600;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs a program to its end and returns what it said, whatever its exit code. Arguments are never
 * shown in an error and must not carry secrets all the same: /proc/PID/cmdline is world-readable.
 * Throws `ToolMissing` when there is no such program, `CommandTimeout` past the deadline.
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const running = execa(program, args, {
    reject: false,
    extendEnv: false,
    env: { PATH, LC_ALL: 'C', HOME: '/root', ...options.env },
    stripFinalNewline: options.exactOutput !== true,
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const result = await orLetGo(running, program, options);
  if (result.code === 'ENOENT')
    throw new HypemanError(
      'transient',
      'ToolMissing',
      `the program ${program} is not installed on this host`,
      {
        facts: { tool: program },
      },
    );
  if (result.timedOut) throw outOfTime(program);
  if (result.isCanceled) throw new HypemanError('transient', 'Cancelled', `${program} was cancelled`);
  return { exitCode: result.exitCode ?? 128, stdout: result.stdout, stderr: result.stderr };
}

/** As `runCommand`, but anything but exit code 0 is a transient `CommandFailed`. Returns stdout. */
export async function commandOutput(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(program, args, options);
  if (exitCode !== 0) throw commandFailed(program, exitCode, stderr);
  return stdout;
}

async function orLetGo<T>(
  running: PromiseLike<T>,
  program: string,
  { timeoutMs = DEFAULT_TIMEOUT_MS, letGoMs }: CommandOptions,
): Promise<T> {
  if (letGoMs === undefined) return running;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(outOfTime(program));
  }, timeoutMs + letGoMs);
  try {
    return await Promise.race([running, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function outOfTime(program: string): HypemanError {
  return new HypemanError('transient', 'CommandTimeout', `${program} did not finish in time`, {
    facts: { program },
  });
}

/** Program name, exit code and a bounded tail of stderr: all that anybody else sees of a command. */
export function commandFailed(program: string, exitCode: number, stderr: string): HypemanError {
  const tail = stderr.trim().slice(-STDERR_TAIL);
  return new HypemanError(
    'transient',
    'CommandFailed',
    `${program} failed with exit code ${exitCode}${tail === '' ? '' : `: ${tail}`}`,
    { facts: { program, exitCode } },
  );
}
