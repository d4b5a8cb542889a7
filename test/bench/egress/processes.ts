import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { text as textOf } from 'node:stream/consumers';
import { promisify } from 'node:util';
import type { Done, Job } from './load.ts';

const run = promisify(execFile);
/** USER_HZ is 100 on every Linux that Debian builds. */
const TICK_US = 10_000;

/** One core for the client, one for the proxy, two for the upstream: as in facts/egress.md 5.1. */
export const CORES = { client: '0', proxy: '1', upstream: '2,3' } as const;

/** Starts a file of this directory, or a program, on its own core. */
export function startOn(cores: string, command: readonly string[], isQuiet = true): ChildProcess {
  return spawn('taskset', ['-c', cores, ...command], {
    stdio: ['ignore', 'ignore', isQuiet ? 'ignore' : 'inherit'],
  });
}

export const UPSTREAM_ENTRY = fileURLToPath(new URL('./upstream.ts', import.meta.url));
const CLIENT_ENTRY = fileURLToPath(new URL('./client.ts', import.meta.url));

export async function runClient(job: Job): Promise<Done> {
  const command = ['-c', CORES.client, process.execPath, CLIENT_ENTRY, JSON.stringify(job)];
  const { stdout } = await run('taskset', command);
  return JSON.parse(stdout) as Done;
}

/** A program of ours that does its job, its first argument, until it is stopped, and then prints what came of it. */
export function startAside<Done>(cores: string, entry: URL, job: object): { stop(): Promise<Done> } {
  const command = [process.execPath, fileURLToPath(entry), JSON.stringify(job)];
  const child = spawn('taskset', ['-c', cores, ...command], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const printed = textOf(child.stdout);
  return {
    stop: async () => {
      child.stdin.end();
      return JSON.parse(await printed) as Done;
    },
  };
}

/** For such a program. */
export function untilStopped(): AbortSignal {
  const stopped = new AbortController();
  process.stdin.resume().once('end', () => {
    stopped.abort();
  });
  return stopped.signal;
}

/** Its last act, which waits until all is written: a pipe holds 64 KiB. */
export function printAndEnd(done: object): void {
  process.stdout.write(JSON.stringify(done), () => process.exit(0));
}

/** Milliseconds on a clock that all processes of this host share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Every thread of a process that runs already. */
export async function pin(pid: number, cores: string): Promise<void> {
  await run('taskset', ['-a', '-c', '-p', cores, String(pid)]);
}

export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(timer);
}

/** What a process and those it started have used so far, in microseconds. */
export function cpuMicrosOf(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + ownCpuMicros(one), 0);
}

export function residentMibOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}

function ownCpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

function treeOf(pid: number): readonly number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
}
