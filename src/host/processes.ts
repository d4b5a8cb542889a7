import { spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import type { ProcessIdentity } from '../machine/machine.ts';
import { HypemanError } from '../errors.ts';
import { outliveContainer } from './cgroups.ts';
import { errorCode, isAbsence, namesIn } from './files.ts';

/** `/proc/sys/kernel/random/boot_id`: another one after each boot of the host (random(4)). */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/**
 * Who runs under this pid now, or undefined. A zombie counts as gone: it holds nothing but its name.
 * Fields by proc(5): the program name in field 2 may hold spaces and brackets, so count from its end.
 */
export async function identityOf(pid: number, bootId: string): Promise<ProcessIdentity | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTime: Number(fields[19]), bootId };
  } catch (error) {
    if (isAbsence(error) || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/** True only for the very process that was recorded, never for a stranger with its pid. */
export async function isAlive(identity: ProcessIdentity, bootId: string): Promise<boolean> {
  if (identity.bootId !== bootId) return false;
  const now = await identityOf(identity.pid, bootId);
  return now?.startTime === identity.startTime;
}

/** Sends a signal to exactly this process; false when it is gone. */
export async function signalProcess(
  identity: ProcessIdentity,
  bootId: string,
  signal: NodeJS.Signals,
): Promise<boolean> {
  if (!(await isAlive(identity, bootId))) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return false;
    throw error;
  }
}

/** The arguments of a process; empty when it is gone or a kernel thread. */
export async function argumentsOf(pid: number): Promise<readonly string[]> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
  } catch (error) {
    if (isAbsence(error) || errorCode(error) === 'ESRCH') return [];
    throw error;
  }
}

export async function allPids(): Promise<readonly number[]> {
  return (await namesIn('/proc')).map(Number).filter(Number.isInteger);
}

export type Detached = {
  readonly identity: ProcessIdentity;
  /** Resolves when the process ends; also releases it from the zombie table. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
};

export type DetachedOptions = {
  /** Of its own cgroup, where we run in a container that it must outlive; one word, never in use twice. */
  readonly name: string;
  readonly logPath: string;
  readonly cwd?: string;
  readonly bootId: string;
};

/**
 * Starts a program that outlives the controller and its container: own session, own cgroup there, no inherited
 * environment or descriptors, output appended to `logPath`. Core files are the caller's business (prlimit(1)).
 */
export async function spawnDetached(
  program: string,
  args: readonly string[],
  options: DetachedOptions,
): Promise<Detached> {
  const log = await open(options.logPath, 'a', 0o600);
  try {
    const child = spawn(program, args, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
      child.once('exit', (code, signal) => {
        resolve({ code, signal });
      });
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid ?? 0;
    await outliveContainer(pid, options.name).catch((error: unknown) => {
      child.kill('SIGKILL');
      throw error;
    });
    const identity = (await identityOf(pid, options.bootId)) ?? { pid, startTime: 0, bootId: options.bootId };
    return { identity, ended };
  } catch (error) {
    if (error instanceof HypemanError) throw error;
    const reason = errorCode(error) === 'ENOENT' ? 'ToolMissing' : 'SpawnFailed';
    throw new HypemanError('transient', reason, `cannot start ${program}`, { cause: error });
  } finally {
    await log.close();
  }
}
