import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';
import { cli, cliRun } from '../../support/cli-run.ts';

let base = '';
beforeEach(async () => {
  base = await mkdtemp(`${tmpdir()}/hm-cluster-cli-`);
});
afterEach(() => rm(base, { recursive: true, force: true }));

test('the environment alone never turns a command to a cluster', async () => {
  await writeFile(`${base}/config`, '{}');
  const words = ['--state-dir', base, '--run-dir', base, 'get'];
  const { code, stderr } = await cli(words, { env: { KUBECONFIG: `${base}/config` } });
  expect([code, stderr]).toEqual([0, 'No instances found in namespace default.\n']);
});

test.each([
  [{ KUBECONFIG: '/nowhere/a:/nowhere/b' }, 'no kubeconfig: there is no /nowhere/a, no /nowhere/b;'],
  [{ HOME: '/nowhere' }, 'no kubeconfig: there is no /nowhere/.kube/config;'],
])('a missing kubeconfig is told with where it was looked for: %j', async (env, told) => {
  const { code, stderr } = await cli(['get', '--kubernetes'], { env });
  expect([code, stderr.includes(told)]).toEqual([1, true]);
});

test('a kubeconfig that is named has to be there, and to name a server', async () => {
  expect((await cli(['get', '--kubeconfig', '/nowhere'])).stderr).toBe(
    'error: there is no kubeconfig /nowhere\n',
  );
  await writeFile(`${base}/empty`, '{}');
  const { code, stderr } = await cli(['get', '--kubeconfig', `${base}/empty`]);
  expect(code).toBe(1);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test("a cluster and this host's directories do not go together", async () => {
  expect(await cli(['--state-dir', base, 'get', '--kubernetes'])).toMatchObject({ code: 2, stdout: '' });
});

test('the plugin has what can be done from afar, under its own name', async () => {
  const plugin = { calledAs: 'kubectl-hypeman' };
  const { stdout } = await cli(['--help'], plugin);
  expect(stdout).toMatch(/^Usage: kubectl hypeman /);
  for (const command of ['get', 'exec', 'validate'])
    expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
  for (const command of ['run', 'setup', 'doctor', '--state-dir'])
    expect(stdout).not.toContain(`  ${command} `);
  expect((await cli(['exec', '--help'], plugin)).stdout).toMatch(/^ {2}kubectl hypeman exec -it web -- sh/m);
  expect((await cli(['get'], { ...plugin, env: { HOME: base } })).stderr).toContain('no kubeconfig');
});

test('at-node log reads a log by the id of its instance, and nothing that is no id', async () => {
  const words = ['--state-dir', base, '--run-dir', base, 'at-node', 'log'];
  expect(await cli([...words, '../../etc'])).toMatchObject({ code: 2, stdout: '' });
  expect(await cli([...words, 'abc'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no log') as string,
  });
});

test('at-node ends with its input', async () => {
  const path = `${base}/controller.sock`;
  const server = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const run = cliRun();
  const ended = runProgram(run.context, ['--run-dir', base, 'at-node', 'socket']);
  run.stdin.write('there and back');
  await expect.poll(() => run.printed().stdout).toBe('there and back');
  run.stdin.end();
  await ended;
  expect(run.printed().code).toBe(0);
  await new Promise((resolve) => server.close(resolve));
});
