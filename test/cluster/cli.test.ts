import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { runProgram } from '../../src/cli/program.ts';
import { cliRun } from '../support/cli-run.ts';
import type { CliResult } from '../support/cli-run.ts';
import { allow, clusterCli, makeAgentNamespace, patchStatus } from '../support/cluster-cli-stage.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, installCrd, listen, makeYard, NODE, statusSaying } from '../support/cluster-stage.ts';
import type { Listening, Yard } from '../support/cluster-stage.ts';

const missing = controlPlaneMissing();

describe.skipIf(missing !== undefined)(`commands that read a cluster ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let kubeconfig = '';
  let withoutCrd: CliResult;

  beforeAll(async () => {
    plane = await startControlPlane();
    kubeconfig = await plane.kubeconfig('admin');
    withoutCrd = await clusterCli(['get', '--kubeconfig', kubeconfig]);
    await installCrd(plane.admin);
    await makeAgentNamespace(plane.admin);
  });
  afterAll(() => plane.close());
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
  });

  const run = (...words: readonly string[]): Promise<CliResult> =>
    clusterCli([...words, '--kubeconfig', kubeconfig, '-n', yard.namespace]);
  const say = async (name: string, state: string, ready: 'True' | 'False'): Promise<void> => {
    const said = statusSaying('so it is');
    const conditions = said.conditions.map((condition) => ({ ...condition, status: ready }));
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/instances/${name}`;
    await patchStatus(plane.admin, path, { ...said, state, conditions });
  };

  test('the table is that of directory mode', async () => {
    await yard.create('web', {}, { labels: { app: 'web' } });
    await yard.create('db');
    await say('web', 'Running', 'True');
    const { code, stdout, stderr } = await run('get');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n').map((line) => line.replace(/ {2,}/g, '|').replace(/\|\d+s$/, '|AGE'))).toEqual([
      'NAME|STATE|READY|IMAGE|IP|RESTARTS|AGE',
      'db|<none>|Unknown|docker.io/library/nginx:1.29|<none>|0|AGE',
      'web|Running|True|docker.io/library/nginx:1.29|<none>|0|AGE',
      '',
    ]);
    expect((await run('get', '-l', 'app=web', '-o', 'name')).stdout).toBe('instance.hypeman.dev/web\n');
    expect((await run('get', '-o', 'wide', '--no-headers', 'web')).stdout).toMatch(
      /Booting .* node-a +<none>\n$/,
    );
    const everywhere = await clusterCli(['get', '-A', '--kubeconfig', kubeconfig]);
    expect(everywhere.stdout).toMatch(new RegExp(`^${yard.namespace} +web `, 'm'));
  });

  test('a document is the object as the server has it', async () => {
    await yard.create('web', { env: { TOKEN: 'text' } });
    const { body } = await yard.read('web');
    const one = parse((await run('get', 'web', '-o', 'yaml')).stdout) as Record<string, unknown>;
    expect(one).toMatchObject({ spec: body.spec as object, metadata: { name: 'web', generation: 1 } });
    expect(one).not.toHaveProperty('events');
    expect(one).not.toHaveProperty('metadata.managedFields');
    expect(JSON.parse((await run('get', '-o', 'json')).stdout)).toMatchObject({
      kind: 'List',
      items: [{ kind: 'Instance' }],
    });
    expect(await run('get', 'nope')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('NotFound') as string,
    });
  });

  test('describe tells the events, and no value of env', async () => {
    await yard.create('web', { env: { TOKEN: 'top-secret' } });
    const agent: Listening = await listen(plane);
    await agent.source.start(() => undefined);
    const event = { type: 'Warning', reason: 'BootFailed', message: 'no kernel', at: Date.now() } as const;
    await eventually(async () => {
      await agent.source.report(yard.key('web'), statusSaying('hm'), []);
      return ((await yard.read('web')).body.status as { nodeName?: string } | undefined)?.nodeName === NODE;
    });
    await agent.source.report(yard.key('web'), statusSaying('hm'), [event]);
    await eventually(async () => (await yard.events()).length === 1);
    const { stdout, stderr } = await run('describe', 'web');
    await agent.close();
    expect(stderr).toBe('');
    expect(stdout).toMatch(/Node: +node-a/);
    expect(stdout).toMatch(/Warning +BootFailed +\d+s +no kernel/);
    expect(stdout).not.toContain('top-secret');
  });

  test('a wait ends when a status comes to it, for an instance that was not there yet too', async () => {
    const ready = run('wait', 'web', '--timeout=30s');
    await yard.create('web');
    await say('web', 'Initializing', 'False');
    await say('web', 'Running', 'True');
    expect(await ready).toMatchObject({ code: 0, stdout: 'instance.hypeman.dev/web condition met\n' });
    const gone = run('wait', 'web', '--for=delete', '--timeout=30s');
    await yard.remove('web');
    expect(await gone).toMatchObject({ code: 0, stdout: 'instance.hypeman.dev/web deleted\n' });
    expect(await run('wait', 'web', '--timeout=0')).toMatchObject({ code: 1 });
  });

  test('watching prints what is there, each change, and what went', async () => {
    await yard.create('web');
    const { context, interrupt, printed } = cliRun({ now: Date.now });
    const words = ['get', '-w', '--kubeconfig', kubeconfig, '-n', yard.namespace];
    const ended = runProgram(context, words);
    const lines = (): readonly string[] => printed().stdout.trimEnd().split('\n');
    await eventually(() => lines().length === 2);
    await say('web', 'Running', 'True');
    await eventually(() => /^web +Running +True/.test(lines()[2] ?? ''));
    await yard.remove('web');
    await eventually(() => /^web +Deleted/.test(lines().at(-1) ?? ''));
    interrupt();
    await ended;
    expect(printed().code).toBe(0);
  });

  test('the namespace of the context is the one that is meant, and --context chooses', async () => {
    await yard.create('web');
    const config = parse(await plane.kubectl('1.32', 'config', 'view', '--raw')) as {
      contexts: { name: string; context: Record<string, string> }[];
    };
    const [first] = config.contexts;
    config.contexts.push({ name: 'yard', context: { ...first?.context, namespace: yard.namespace } });
    const path = `${plane.directory}/two.kubeconfig`;
    await writeFile(path, JSON.stringify(config));
    const env = { KUBECONFIG: `/nowhere:${path}` };
    expect((await clusterCli(['get', '--context', 'yard', '-o', 'name'], { env })).stdout).toContain('/web');
    expect((await clusterCli(['get', '--kubernetes'], { env })).stderr).toBe(
      'No instances found in namespace default.\n',
    );
    const plugin = { env, calledAs: 'kubectl-hypeman' };
    expect((await clusterCli(['get', '-n', yard.namespace, '-o', 'name'], plugin)).stdout).toContain('/web');
    const wrong = await clusterCli(['get', '--context', 'nope'], { env });
    expect(wrong).toMatchObject({
      code: 1,
      stderr: 'error: the kubeconfig has no context "nope"; it has x, yard\n',
    });
  });

  test('what is refused is one line that says what to do', async () => {
    expect(withoutCrd.code).toBe(1);
    expect(withoutCrd.stderr).toMatch(
      /^error: the cluster 127.0.0.1:\d+ does not know Instances: install the CRDs .*\n$/,
    );
    const mayNothing = await plane.kubeconfig('agent');
    const forbidden = await clusterCli(['get', '--kubeconfig', mayNothing, '-n', yard.namespace]);
    expect(forbidden.code).toBe(1);
    expect(forbidden.stderr).toMatch(
      new RegExp(
        `^error: forbidden: .*"agent" cannot list resource "instances" .* namespace "${yard.namespace}"\\n$`,
      ),
    );
    const away = await clusterCli(['get', '--kubeconfig', await plane.kubeconfig('admin', 1)]);
    expect(away).toMatchObject({ code: 1, stdout: '' });
    expect(away.stderr).toMatch(/^error: the API server 127.0.0.1:1 does not answer: .*ECONNREFUSED.*\n$/);
    await writeFile(`${plane.directory}/torn`, 'users:\n- token: top-secret\n  x: [');
    const torn = await clusterCli(['get', '--kubeconfig', `${plane.directory}/torn`]);
    expect(torn.stderr).toMatch(/^error: kubeconfig .*torn cannot be read: .*\n$/);
    expect(torn.stderr).not.toContain('top-secret');
  });

  test('without the right to read events, describe tells the rest', async () => {
    await yard.create('web');
    const rules = [{ apiGroups: ['hypeman.dev'], resources: ['instances'], verbs: ['get'] }];
    await allow(plane.admin, yard.namespace, 'agent', rules);
    const words = ['describe', 'web', '-n', yard.namespace, '--kubeconfig', await plane.kubeconfig('agent')];
    const { code, stdout, stderr } = await clusterCli(words);
    expect([code, stdout.includes('Name:')]).toEqual([0, true]);
    expect(stderr).toMatch(
      /^warning: its events are not known: forbidden: .*"events".*\nwarning: its forks are not known: .*\n$/,
    );
  });
});
