import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { runProgram } from '../../../src/cli/program.ts';
import { cli, cliRun, condition, report, reported } from '../../support/cli-run.ts';
import type { CliResult } from '../../support/cli-run.ts';
import { eventually } from '../../support/controller-process.ts';

let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'hypeman-get-'));
});
afterEach(() => rm(stateDir, { recursive: true, force: true }));

function get(...words: readonly string[]): Promise<CliResult> {
  return cli(['--state-dir', stateDir, '--run-dir', join(stateDir, 'run'), 'get', ...words]);
}

const pulling = reported('db', {
  namespace: 'prod',
  labels: { app: 'db' },
  spec: { image: 'docker.io/library/postgres:17' },
  status: {
    observedGeneration: 1,
    network: { name: 'default' },
    restarts: 2,
    state: 'Created',
    conditions: [condition('Ready', 'False', 'ImagePull', '2026-11-20T11:59:00Z')],
  },
});

test('instances stand in a table like that of kubectl', async () => {
  await report(stateDir, reported('web'), pulling);
  expect((await get()).stdout).toBe(
    [
      'NAME   STATE     READY   IMAGE                          IP           RESTARTS   AGE',
      'web    Running   True    docker.io/library/nginx:1.27   10.100.0.2   0          3m',
      '',
    ].join('\n'),
  );
});

test('every namespace and the wide columns', async () => {
  await report(stateDir, reported('web', { status: { fork: { source: 'base' } } }), pulling);
  expect((await get('-A', '-o', 'wide')).stdout).toBe(
    [
      'NAMESPACE   NAME   STATE     READY   IMAGE                           IP           RESTARTS   AGE   REASON           UPTODATE   HYPERVISOR   NODE     FORKOF',
      'default     web    Running   True    docker.io/library/nginx:1.27    10.100.0.2   0          3m    ProgramRunning   <none>     qemu         node-1   base',
      'prod        db     Created   False   docker.io/library/postgres:17   <none>       2          3m    ImagePull        <none>     qemu         node-1   <none>',
      '',
    ].join('\n'),
  );
});

test('labels and namespaces choose', async () => {
  await report(stateDir, reported('web', { labels: { app: 'web' } }), pulling);
  expect((await get('-A', '-l', 'app=db', '--no-headers', '-o', 'name')).stdout).toBe(
    'instance.hypeman.dev/db\n',
  );
  expect((await get('-n', 'prod', '--no-headers')).stdout).toMatch(/^db /);
});

test('what -o name prints is taken as a name again', async () => {
  await report(stateDir, reported('web'));
  const { stdout } = await get('-o', 'name');
  expect((await get(stdout.trim(), '--no-headers')).stdout).toMatch(/^web /);
});

test('one name is one document, everything else a List', async () => {
  await report(stateDir, reported('web'), reported('api'));
  expect(JSON.parse((await get('web', '-o', 'json')).stdout)).toMatchObject({ kind: 'Instance' });
  expect(parse((await get('web', '-o', 'yaml')).stdout)).toMatchObject({ metadata: { name: 'web' } });
  const list: unknown = JSON.parse((await get('-o', 'json')).stdout);
  expect(list).toMatchObject({ kind: 'List', items: [{ kind: 'Instance' }, { kind: 'Instance' }] });
  expect(parse((await get('-n', 'empty', '-o', 'yaml')).stdout)).toMatchObject({ kind: 'List', items: [] });
});

test('a name that is not there is an error beside those that are', async () => {
  await report(stateDir, reported('web'));
  const { code, stdout, stderr } = await get('web', 'nope');
  expect(code).toBe(1);
  expect(stdout).toContain('web');
  expect(stderr).toContain('error (NotFound): instance "nope" not found');
});

test('a missing instance leaves no half document on stdout', async () => {
  for (const format of ['json', 'yaml', 'wide']) {
    const { code, stdout } = await get('nope', '-o', format);
    expect([code, stdout]).toEqual([1, '']);
  }
});

test('no instance at all is no error', async () => {
  expect(await get()).toEqual({ code: 0, stdout: '', stderr: 'No instances found in namespace default.\n' });
  expect((await get('-A')).stderr).toBe('No instances found.\n');
});

test('without a controller the status is said to be stale, and from when it is', async () => {
  await report(stateDir, reported('web'));
  const { code, stderr } = await get();
  expect(code).toBe(0);
  expect(stderr).toMatch(
    /^warning: no controller runs on .*\/run: the status shown is from \d{4}-.*Z \(.* ago\)/,
  );
});

test('a name with every namespace is a contradiction', async () => {
  expect(await get('web', '-A')).toMatchObject({ code: 2, stdout: '' });
});

test('watching prints what is there, then each change once, then what went', async () => {
  await report(stateDir, reported('web'));
  const run = cliRun();
  const words = ['--state-dir', stateDir, '--run-dir', join(stateDir, 'run'), 'get', '-w'];
  const ended = runProgram(run.context, words);
  const lines = (count: number): Promise<readonly string[]> =>
    eventually(
      'lines of a watch',
      () => Promise.resolve(run.printed().stdout.trimEnd().split('\n')),
      (seen) => seen.length === count,
      5000,
    );
  await lines(2);
  await report(stateDir, reported('web', { status: { state: 'Stopped' } }));
  expect((await lines(3))[2]).toMatch(/^web {4}Stopped/);
  await rm(join(stateDir, 'status/default/web.json'));
  expect((await lines(4))[3]).toMatch(/^web {4}Deleted/);
  run.interrupt();
  await ended;
  expect(run.printed().code).toBe(0);
});
