import { afterEach, beforeEach, expect, test } from 'vitest';
import { runProgram } from '../../../src/cli/program.ts';
import { auditedController } from '../../support/audited-controller.ts';
import type { AuditedController } from '../../support/audited-controller.ts';
import { NOW, cli, cliRun, report, reported } from '../../support/cli-run.ts';
import type { CliResult, CliRun } from '../../support/cli-run.ts';
import { eventually } from '../../support/controller-process.ts';
import type { ScriptedEgress } from '../../support/scripted-egress.ts';

const MEDIATED = { image: 'a/b', network: { egress: { enabled: true } } };

let controller: AuditedController;
let proxy: ScriptedEgress;
const following: { readonly run: CliRun; readonly ended: Promise<void> }[] = [];
beforeEach(async () => {
  controller = await auditedController();
  ({ proxy } = controller);
  await report(controller.base, reported('web', { spec: MEDIATED }), reported('db'), reported('unmade'));
});
afterEach(async () => {
  for (const { run, ended } of following.splice(0)) {
    run.interrupt();
    await ended;
  }
  await controller.end();
});

function egress(...words: readonly string[]): Promise<CliResult> {
  return cli([...controller.places, 'egress', ...words]);
}

/** A command that goes on until the test interrupts it, and what it has printed when it printed this. */
function follow(...words: readonly string[]): (text: string) => Promise<CliResult> {
  const run = cliRun();
  following.push({ run, ended: runProgram(run.context, [...controller.places, 'egress', '-f', ...words]) });
  return (text) =>
    eventually(
      `"${text}" to be printed`,
      () => Promise.resolve(run.printed()),
      ({ stdout, stderr }) => (stdout + stderr).includes(text),
      5000,
    );
}

const followed = (): Promise<number> =>
  eventually(
    'a follower',
    () => Promise.resolve(proxy.followers()),
    (count) => count > 0,
    5000,
  );

test('decisions are told in columns, oldest first, names of credentials and no value', async () => {
  proxy.decide({ at: NOW - 1000 });
  proxy.decide({
    instance: 'iddb',
    key: 'default/db',
    at: NOW - 2000,
    host: '',
    verdict: 'refused',
    way: 'tls',
    reason: 'NoServerName',
    credentials: [],
  });
  proxy.decide({ instance: 'idother', key: 'other/web' });
  expect(await egress()).toEqual({
    code: 0,
    stderr: '',
    stdout: `TIME                       INSTANCE       HOST                       WAY        VERDICT     REASON             CREDENTIALS
2026-11-20T11:59:58.000Z   db             <none>                     tls        refused     NoServerName       <none>
2026-11-20T11:59:59.000Z   web            api.example.com            explicit   injected    Granted            openai
`,
  });
});

test('all namespaces, one instance, and the wide form', async () => {
  proxy.decide();
  proxy.decide({ instance: 'idother', key: 'other/web' });
  expect((await egress('-A', '--no-headers')).stdout.match(/(default|other)\/web/g)).toEqual([
    'default/web',
    'other/web',
  ]);
  expect((await egress('web', '-o', 'wide')).stdout).toMatch(/CREDENTIALS +ID\n.*openai +idweb\n$/);
  expect(await egress('web', '-A')).toMatchObject({ code: 2 });
});

test('what is asked for is all that is shown', async () => {
  proxy.decide({ at: NOW - 60_000, host: 'old.example.com' });
  proxy.decide({ at: NOW - 1000, host: 'no.example.com', verdict: 'refused', credentials: [] });
  proxy.decide({
    at: NOW - 900,
    host: 'broken.example.com',
    verdict: 'failed',
    credentials: ['openai', 'git'],
  });
  const hosts = async (...words: readonly string[]): Promise<readonly string[]> =>
    (await egress('--no-headers', ...words)).stdout.match(/\w+(?=\.example\.com)/g) ?? [];
  expect(await hosts()).toEqual(['old', 'no', 'broken']);
  expect(await hosts('--since', '30s')).toEqual(['no', 'broken']);
  expect(await hosts('--verdict', 'refused')).toEqual(['no']);
  expect(await hosts('--verdict', 'refused', '--verdict', 'injected')).toEqual(['old', 'no']);
  expect(await hosts('--credential', 'git')).toEqual(['broken']);
  expect(await egress('--verdict', 'maybe')).toMatchObject({ code: 2 });
});

test('a line of JSON for each, for scripts', async () => {
  proxy.decide();
  const { stdout } = await egress('-o', 'json');
  expect(JSON.parse(stdout)).toEqual({
    time: '2026-11-20T11:59:50.123Z',
    namespace: 'default',
    name: 'web',
    id: 'idweb',
    host: 'api.example.com',
    way: 'explicit',
    verdict: 'injected',
    reason: 'Granted',
    credentials: ['openai'],
  });
});

test('a hostile host name does nothing to a terminal, and does not widen the table for ever', async () => {
  const prints = follow('--no-headers');
  await followed();
  const hostile = `\u001b[2J\u009b31m${'x'.repeat(200)}`;
  proxy.decide({ host: hostile });
  proxy.decide({ host: 'next.example.com' });
  const { stdout } = await prints('next');
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(stdout.split('\n')[1]?.length).toBeLessThan(160);

  expect((await egress('-o', 'json')).stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});

test('following tells each decision once, over a restart of the controller, and how many were missed', async () => {
  proxy.decide({ at: 1000, host: 'kept.example.com' });
  const prints = follow('web');
  await prints('kept');
  await followed();
  proxy.decide({ at: 2000, host: 'new.example.com' });
  proxy.decide({ at: 2000, host: 'new.example.com' });
  proxy.decide({ instance: 'iddb', key: 'default/db', at: 2000, host: 'elsewhere.example.com' });
  proxy.miss(7);
  await prints('7 missed');
  await controller.close();
  await prints('waiting');
  proxy.decide({ at: 2000, host: 'new.example.com' });
  proxy.decide({ at: 3000, host: 'meanwhile.example.com' });
  await controller.open();
  await prints('meanwhile');
  await followed();
  proxy.decide({ at: 4000, host: 'last.example.com' });
  const { stdout, stderr } = await prints('last');
  expect(stdout.match(/\w+(?=\.example\.com)| missed/g)).toEqual([
    ...['kept', 'new', 'new', ' missed', 'new', 'meanwhile', 'last'],
  ]);
  expect(stderr.match(/waiting/g)).toHaveLength(1);
});

test('following goes on with the next process of the proxy', async () => {
  const prints = follow();
  await followed();
  proxy.decide({ host: 'one.example.com' });
  await prints('one');
  proxy.setProblem('it is being started');
  proxy.restart();
  await prints('waiting');
  proxy.setProblem(undefined);
  await followed();
  proxy.decide({ host: 'two.example.com' });
  await prints('two');
});

test('while nothing is mediated there is no process, and whoever follows waits for it in silence', async () => {
  const prints = follow();
  await followed();
  for (let times = 0; times < 3; times += 1) {
    proxy.restart();
    await followed();
  }
  proxy.decide();
  expect((await prints('api.example.com')).stderr).toBe('');
});

test('following ends with 0 on Ctrl-C, and when the instance is removed', async () => {
  const interrupted = cliRun();
  const first = runProgram(interrupted.context, [...controller.places, 'egress', '-f']);
  await followed();
  interrupted.interrupt();
  await first;
  expect(interrupted.printed()).toMatchObject({ code: 0, stderr: '' });

  const run = cliRun();
  const ended = runProgram(run.context, [...controller.places, 'egress', '-f', 'web']);
  await followed();
  delete controller.known['default/web'];
  proxy.restart();
  await ended;
  expect(run.printed().code).toBe(0);
});

test('what cannot be asked is one line that says what to do', async () => {
  expect(await egress('nope')).toMatchObject({
    code: 1,
    stderr: 'error (NotFound): instance "nope" not found\n',
  });
  expect(await egress('unmade')).toMatchObject({ code: 1, stdout: '' });
  expect((await egress('db')).stderr).toContain('not mediated');
  proxy.setProblem('it was killed');
  expect(await egress('web')).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: the egress proxy cannot be asked: it was killed\n',
  });
  await controller.close();
  expect((await egress('web')).stderr).toContain('no controller answers');
  expect((await egress('web', '-f')).code).toBe(1);
});

test('a client that goes away is no longer followed', async () => {
  const prints = follow();
  await followed();
  proxy.decide();
  await prints('api.example.com');
  for (const { run, ended } of following.splice(0)) {
    run.interrupt();
    await ended;
  }
  await eventually(
    'nobody to follow',
    () => Promise.resolve(proxy.followers()),
    (count) => count === 0,
    5000,
  );
});
