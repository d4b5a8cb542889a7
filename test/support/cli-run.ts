import { mkdir, writeFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import type { CliContext, Input } from '../../src/cli/context.ts';
import { runProgram } from '../../src/cli/program.ts';
import type { ReportedInstance } from '../../src/api/reported.ts';

export const NOW = Date.parse('2026-11-20T12:00:00Z');

export type CliResult = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type CliRun = {
  readonly context: CliContext;
  readonly stdin: PassThrough;
  /** As Ctrl-C does. */
  readonly interrupt: () => void;
  /** What was printed so far. */
  readonly printed: () => CliResult;
};

/** A command line without a process: its streams are in memory. `more` replaces parts of the context. */
export function cliRun(more: Partial<CliContext> = {}): CliRun {
  const stdin = new PassThrough();
  const texts = { stdout: '', stderr: '', code: 0 };
  const output = (name: 'stdout' | 'stderr'): PassThrough => {
    const stream = new PassThrough();
    stream.on('data', (chunk: Buffer) => (texts[name] += chunk.toString('utf8')));
    return stream;
  };
  const abort = new AbortController();
  const unused = (): never => {
    throw new Error('no test asks for this');
  };
  const context: CliContext = {
    stdin: stdin as Input,
    stdout: output('stdout'),
    stderr: output('stderr'),
    env: {},
    now: () => NOW,
    signal: abort.signal,
    setExitCode: (code) => (texts.code = code),
    version: '9.9.9',
    run: unused,
    planFiles: unused,
    driverFacts: () => Promise.resolve({}),
    ...more,
  };
  return {
    context,
    stdin,
    interrupt: () => {
      abort.abort();
    },
    printed: () => ({ ...texts }),
  };
}

/** Runs a command line to its end. */
export async function cli(words: readonly string[], more: Partial<CliContext> = {}): Promise<CliResult> {
  const run = cliRun(more);
  await runProgram(run.context, words);
  // PassThrough hands on what was written a moment later.
  await new Promise((resolve) => setImmediate(resolve));
  return run.printed();
}

type Change = {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly generation?: number;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Partial<ReportedInstance['status']>;
  readonly events?: ReportedInstance['events'];
};

/** A running instance as a controller reports it, three minutes old. */
export function reported(name: string, change: Change = {}): ReportedInstance {
  const time = new Date(NOW - 180_000).toISOString().replace('.000', '');
  return {
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: {
      namespace: change.namespace ?? 'default',
      name,
      uid: `uid-${name}`,
      generation: change.generation ?? 1,
      ...(change.labels === undefined ? {} : { labels: change.labels }),
      creationTimestamp: time,
    },
    spec: change.spec ?? { image: 'docker.io/library/nginx:1.27' },
    status: {
      id: `id${name}`,
      observedGeneration: change.generation ?? 1,
      appliedGeneration: 1,
      state: 'Running',
      hypervisor: 'qemu',
      network: { name: 'default', ip: '10.100.0.2' },
      restarts: 0,
      nodeName: 'node-1',
      conditions: [condition('Ready', 'True', 'ProgramRunning', time)],
      ...change.status,
    },
    events: change.events ?? [],
  };
}

export function condition(
  type: string,
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  lastTransitionTime: string,
): ReportedInstance['status']['conditions'][number] {
  return { type, status, reason, message: `${reason} it is`, lastTransitionTime, observedGeneration: 1 };
}

/** Puts a report where a controller keeps it. */
export async function report(stateDir: string, ...instances: readonly ReportedInstance[]): Promise<void> {
  for (const instance of instances) {
    const { namespace, name } = instance.metadata;
    await mkdir(`${stateDir}/status/${namespace}`, { recursive: true });
    await writeFile(`${stateDir}/status/${namespace}/${name}.json`, JSON.stringify(instance));
  }
}
