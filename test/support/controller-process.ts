import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { runCommand } from '../../src/host/exec.ts';
import type { CommandResult } from '../../src/host/exec.ts';
import { allPids, argumentsOf } from '../../src/host/processes.ts';
import { installationTag } from '../../src/machine/ids.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const MAIN = `${ROOT}src/main.ts`;
/** Kernels and other downloads that survive from one run to the next. */
export const CACHE = `${ROOT}.cache`;

/** A place for one controller on this host: directories of its own, a pool of its own. */
export type Place = {
  readonly stateDir: string;
  readonly runDir: string;
  readonly watchDir: string;
  readonly subnet: string;
};

export async function makePlace(subnet: string): Promise<Place> {
  // The state directory must be open to traversal by the unprivileged VMMs: not mkdtemp's own 0700.
  const base = await mkdtemp('/var/tmp/hypeman-');
  const runDir = await mkdtemp('/run/hm-');
  await runCommand('chmod', ['0711', base, runDir]);
  const watchDir = `${base}/instances`;
  await mkdir(watchDir);
  return { stateDir: `${base}/state`, runDir, watchDir, subnet };
}

export async function removePlace(place: Place): Promise<void> {
  await rm(place.stateDir.replace(/\/state$/, ''), { recursive: true, force: true });
  await rm(place.runDir, { recursive: true, force: true });
}

/** Runs a command of ours to its end, as a user would. */
export async function cli(place: Place, ...args: readonly string[]): Promise<CommandResult> {
  return runCommand(process.execPath, [MAIN, ...placeFlags(place), ...args], { timeoutMs: 600_000 });
}

/** The same as a line for a shell. */
export function commandLineOf(place: Place, ...args: readonly string[]): string {
  return [process.execPath, MAIN, ...placeFlags(place), ...args]
    .map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    .join(' ');
}

function placeFlags(place: Place): readonly string[] {
  return ['--state-dir', place.stateDir, '--run-dir', place.runDir];
}

export type ControllerProcess = {
  readonly place: Place;
  readonly child: ChildProcess;
  readonly logPath: string;
  /** Ends it with a signal and returns its exit code, or the signal's name. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
};

/** Starts `hypeman-controller run` on the place's directory. */
export async function startController(
  place: Place,
  flags: readonly string[] = [],
): Promise<ControllerProcess> {
  const logPath = `${place.stateDir.replace(/\/state$/, '')}/controller.log`;
  const child = spawn(
    process.execPath,
    [
      MAIN,
      ...placeFlags(place),
      'run',
      '--watch',
      place.watchDir,
      '--subnet',
      place.subnet,
      '--listen',
      'off',
      ...flags,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const log = createWriteStream(logPath, { flags: 'a' });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const ended = once(child, 'exit');
  await once(child, 'spawn');
  return {
    place,
    child,
    logPath,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
      log.end();
      return child.exitCode ?? child.signalCode ?? -1;
    },
  };
}

/** Writes a declaration into the watched directory. */
export async function declare(place: Place, file: string, yaml: string): Promise<void> {
  await writeFile(`${place.watchDir}/${file}`, yaml);
}

/** One instance as `get -o json` prints it, or undefined when there is none. */
export async function getInstance(place: Place, name: string): Promise<ReportedInstance | undefined> {
  const { exitCode, stdout } = await cli(place, 'get', name, '-o', 'json');
  return exitCode === 0 ? (JSON.parse(stdout) as ReportedInstance) : undefined;
}

export function conditionOf(instance: ReportedInstance | undefined, type: string): string | undefined {
  return instance?.status.conditions.find((condition) => condition.type === type)?.status;
}

/** Asks again until the answer satisfies; throws with the last answer when time is up. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T>,
  satisfies: (answer: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (satisfies(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms; last: ${show(answer)}`);
    await sleep(150);
  }
}

function show(answer: unknown): string {
  return typeof answer === 'string' ? answer : JSON.stringify(answer);
}

/** Everything of this place that can be found on the host: processes, devices, rules, mounts, sockets, files. */
export async function tracesOf(place: Place): Promise<readonly string[]> {
  const tag = installationTag(place.stateDir);
  const [links, tables, routing, mounts, files] = await Promise.all([
    grepped('ip -br link', `^h[mi]-${tag}`),
    grepped('nft list tables', tag),
    grepped('ip rule; ip route show table all', `h[mi]-${tag}`),
    grepped('cat /proc/mounts', place.stateDir),
    grepped(`find '${place.runDir}' '${place.stateDir}/instances' '${place.stateDir}/status' ! -type d`, '.'),
  ]);
  return [
    ...(await processesOf(place)).map((line) => `process: ${line}`),
    ...links.map((line) => `device: ${line}`),
    ...tables.map((line) => `table: ${line}`),
    ...routing.map((line) => `routing: ${line}`),
    ...mounts.map((line) => `mount: ${line}`),
    ...files.map((line) => `file: ${line}`),
  ];
}

async function processesOf(place: Place): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await allPids()) {
    const text = (await argumentsOf(pid)).join(' ');
    const isOurs = text.includes(`${place.runDir}/`) || text.includes(`${place.stateDir}/`);
    if (isOurs && pid !== process.pid) found.push(`${pid} ${text.slice(0, 120)}`);
  }
  return found;
}

async function grepped(command: string, pattern: string): Promise<readonly string[]> {
  const { stdout } = await runCommand('sh', ['-c', `(${command}) 2>/dev/null | cat`]);
  const wanted = new RegExp(pattern);
  return stdout.split('\n').filter((line) => line.trim() !== '' && wanted.test(line));
}
