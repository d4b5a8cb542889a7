#!/usr/bin/env node
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { createId } from '@paralleldrive/cuid2';
import { runProgram } from './cli/program.ts';
import { readBootId } from './host/processes.ts';
import { instanceId } from './machine/ids.ts';
import type { InstanceId } from './machine/ids.ts';

// Short-lived text otherwise grows V8's young generation: 10,000 files read took 290 MB, with these 165 MB.
setFlagsFromString('--max-semi-space-size=4');
setFlagsFromString('--semi-space-growth-factor=1');
// Of libuv's four threads every fsync takes one: 25 records at once held up each look beside them by up to 130 ms.
process.env.UV_THREADPOOL_SIZE ??= '16';

/** The front door: everything that is the process's own (settings, streams, signals) enters here. */
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    // The second one means it.
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
// A reader that went away (`get | head`) is not an error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const newId = (): InstanceId => instanceId(createId());
const version = await readVersion();
await runProgram(
  {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: Date.now,
    signal: stop.signal,
    version,
    calledAs: basename(process.argv[1] ?? ''),
    setExitCode: (code) => {
      process.exitCode = code;
    },
    // What only some commands need is loaded by those: `get` should not wait for a hypervisor's driver.
    run: async (options) => {
      const { runController } = await import('./run.ts');
      return runController(options, {
        version,
        signal: stop.signal,
        newId,
        isTerminal: process.stdout.isTTY,
        say: (line) => process.stdout.write(`${line}\n`),
      });
    },
    planFiles: async (paths, places) => {
      const { planFiles } = await import('./plan-files.ts');
      return planFiles(paths, places, newId);
    },
    driverFacts: async ({ stateDir, runDir }, signal) => {
      const { openDriver } = await import('./workshops.ts');
      const roots = { state: stateDir, run: runDir };
      const driver = openDriver({ roots, accelerator: 'auto' }, await readBootId(), () => undefined);
      return { qemu: await driver.facts(signal) };
    },
  },
  process.argv.slice(2),
);

/** From the package's own description: one directory up in the source tree, two in what is published. */
async function readVersion(): Promise<string> {
  for (const up of ['../package.json', '../../package.json']) {
    const text = await readFile(new URL(up, import.meta.url), 'utf8').catch(() => undefined);
    const found: unknown = text === undefined ? undefined : JSON.parse(text);
    if (typeof found === 'object' && found !== null && 'version' in found) return String(found.version);
  }
  return 'unknown';
}
