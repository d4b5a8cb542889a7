import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseFor } from '../../../src/cli/wait-for.ts';
import { cli, condition, report, reported } from '../../support/cli-run.ts';
import type { CliResult } from '../../support/cli-run.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hypeman-wait-'));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

function wait(...words: readonly string[]): Promise<CliResult> {
  return cli(['--state-dir', stateDir, 'wait', ...words]);
}

const notReady = reported('web', {
  status: { conditions: [condition('Ready', 'False', 'Booting', '2026-11-20T11:59:00Z')] },
});

test('what holds already is said at once', async () => {
  await report(stateDir, reported('web'));
  expect(await wait('web')).toEqual({
    code: 0,
    stdout: 'instance.hypeman.dev/web condition met\n',
    stderr: '',
  });
});

test('a wait ends when the status comes to what is wanted', async () => {
  await report(stateDir, notReady);
  const ended = wait('web', '--for=condition=Ready', '--timeout=10s');
  await report(stateDir, reported('web'));
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
});

test('an instance that a controller has not seen yet is waited for', async () => {
  const ended = wait('web', '--for=state=Running', '--timeout=10s');
  await new Promise((resolve) => setTimeout(resolve, 50));
  await report(stateDir, reported('web'));
  expect(await ended).toMatchObject({ code: 0 });
});

test('the end of the time is an error that names what was waited for', async () => {
  await report(stateDir, notReady);
  const { code, stderr } = await wait('web', '--timeout=100ms');
  expect(code).toBe(1);
  expect(stderr).toBe(
    'error: timed out waiting for condition=Ready of web: Running, Booting: Booting it is\n',
  );
  expect((await wait('nope', '--timeout=0')).stderr).toContain('there is no such instance');
});

test('a removal ends when the last one is gone', async () => {
  await report(stateDir, reported('a'), reported('b'));
  const ended = wait('a', 'b', '--for=delete', '--timeout=10s');
  await rm(join(stateDir, 'status/default/a.json'));
  await rm(join(stateDir, 'status/default/b.json'));
  const { code, stdout } = await ended;
  expect(code).toBe(0);
  expect(stdout.split('\n').sort()).toEqual([
    '',
    'instance.hypeman.dev/a deleted',
    'instance.hypeman.dev/b deleted',
  ]);
});

test('one of several that is late makes the whole wait fail', async () => {
  await report(stateDir, reported('a'), notReady);
  const { code, stdout } = await wait('a', 'web', '--timeout=50ms');
  expect(code).toBe(1);
  expect(stdout).toContain('/a condition met');
});

test.each([
  ['condition=Ready', true],
  ['condition=ready', true],
  ['condition=Ready=False', false],
  ['condition=UpToDate', false],
  ['state=Running', true],
  ['state=Stopped', false],
  ["jsonpath='{.status.state}'=Running", true],
  ['jsonpath={.status.restarts}=0', true],
  ['jsonpath={.status.network.ip}', true],
  ['jsonpath={.status.exitCode}', false],
  ['jsonpath={.status.conditions[?(@.type=="Ready")].status}=True', true],
  ['create', true],
  ['delete', false],
])('--for=%s of a ready instance: %s', (text, holds) => {
  expect(parseFor(text).holds(reported('web'))).toBe(holds);
});

test.each(['condition=Ready', 'state=Running', 'jsonpath={.status.state}', 'create'])(
  'nothing holds of an instance that is not there but its absence: %s',
  (text) => {
    expect(parseFor(text).holds(undefined)).toBe(false);
    expect(parseFor('delete').holds(undefined)).toBe(true);
  },
);

test('a condition told of an older generation does not count', () => {
  expect(parseFor('condition=Ready').holds(reported('web', { generation: 2 }))).toBe(false);
});

test('what cannot be waited for is a usage error', async () => {
  expect(await wait('web', '--for=ready')).toMatchObject({ code: 2, stdout: '' });
});
