import { appendFile, mkdir, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';
import { tailOf } from '../../../src/host/followed-file.ts';
import { cli, cliRun, report, reported } from '../../support/cli-run.ts';
import type { CliResult } from '../../support/cli-run.ts';
import { eventually } from '../../support/controller-process.ts';

let stateDir = '';
let directory = '';
let log = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hypeman-logs-'));
  directory = `${stateDir}/instances/idweb`;
  log = `${directory}/console.log`;
  await mkdir(directory, { recursive: true });
  await report(stateDir, reported('web'));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

function logs(...words: readonly string[]): Promise<CliResult> {
  return cli(['--state-dir', stateDir, 'logs', 'web', ...words]);
}

test('the console is printed as it is', async () => {
  await writeFile(log, 'one\n\u001b[2Jtwo');
  await writeFile(`${directory}/vmm.log`, 'qemu says\n');
  expect(await logs()).toEqual({ code: 0, stdout: 'one\n\u001b[2Jtwo', stderr: '' });
  expect((await logs('--source', 'vmm')).stdout).toBe('qemu says\n');
});

test.each([
  ['0', ''],
  ['1', 'three\n'],
  ['2', 'two\nthree\n'],
  ['9', 'one\ntwo\nthree\n'],
])('--tail %s', async (lines, text) => {
  await writeFile(log, 'one\ntwo\nthree\n');
  expect((await logs('--tail', lines)).stdout).toBe(text);
});

test('the tail of a long file is its last lines, also when they are long or not ended', async () => {
  const lines = Array.from({ length: 5000 }, (_, at) => `${at} ${'x'.repeat(at % 200)}`);
  await writeFile(log, lines.join('\n'));
  expect((await tailOf(log, 1234))?.text.toString()).toBe(lines.slice(-1234).join('\n'));
});

test('an instance that was never started has no log, and says so', async () => {
  expect(await logs()).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('not been started') as string,
  });
  expect(await cli(['--state-dir', stateDir, 'logs', 'nope'])).toMatchObject({ code: 1 });
});

test('a terminal is not steered by a guest', async () => {
  await writeFile(log, 'a\u001b[2Jb');
  const run = cliRun();
  Object.assign(run.context.stdout, { isTTY: true });
  await runProgram(run.context, ['--state-dir', stateDir, 'logs', 'web']);
  await new Promise((resolve) => setImmediate(resolve));
  expect(run.printed().stdout).toBe('a^[[2Jb');
});

test('following sees what is added, survives a cut and a replacement, and ends with the instance', async () => {
  const run = cliRun();
  const ended = runProgram(run.context, ['--state-dir', stateDir, 'logs', '-f', '--tail', '1', 'web']);
  const shows = (text: string): Promise<string> =>
    eventually(
      'the log',
      () => Promise.resolve(run.printed().stdout),
      (seen) => seen === text,
      5000,
    );
  await writeFile(log, 'first\n');
  await shows('first\n');
  await appendFile(log, 'second\n');
  await shows('first\nsecond\n');
  await truncate(log, 0);
  await appendFile(log, 'cut\n');
  await shows('first\nsecond\ncut\n');
  await rename(log, `${log}.1`);
  await writeFile(log, 'new\n');
  await shows('first\nsecond\ncut\nnew\n');
  await rm(directory, { recursive: true });
  await ended;
  expect(run.printed().code).toBe(0);
});
