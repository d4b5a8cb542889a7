import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { buildProgram } from '../../../src/cli/program.ts';
import type { PlannedInstance } from '../../../src/cli/planned.ts';
import type { RunOptions } from '../../../src/cli/run-options.ts';
import { keyOf } from '../../../src/machine/ids.ts';
import { cli, cliRun } from '../../support/cli-run.ts';
import type { CliResult } from '../../support/cli-run.ts';

let base = '';
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hypeman-cli-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function run(...words: readonly string[]): Promise<CliResult & { readonly options?: RunOptions }> {
  let options: RunOptions | undefined;
  const result = await cli(words, {
    run: (given) => {
      options = given;
      return Promise.resolve(7);
    },
  });
  return options === undefined ? result : { ...result, options };
}

/** `at-node` is not for people. */
const commands = buildProgram(cliRun().context)
  .commands.map((command) => command.name())
  .filter((name) => name !== 'at-node');

test.each(commands)(
  'the help of %s has an example, and the options that all commands have',
  async (command) => {
    const { code, stdout, stderr } = await cli([command, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`Examples:\\n(.*\\n)*?.*hypeman-controller.*(${command}|--watch)`));
    expect(stdout).toContain('--state-dir <dir>');
  },
);

test('the help names every command', async () => {
  const { stdout } = await cli(['--help']);
  for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
});

test.each([
  [['gett'], 'did you mean get?'],
  [['frobnicate'], '--help'],
  [['get', '--frob'], '--frob'],
  [['get', '-o', 'xml'], 'xml'],
  [['get', '-l', 'a=b=c'], 'a=b=c'],
  [['wait'], 'names'],
  [['completion', 'tcsh'], 'tcsh'],
  [[], '--watch DIR'],
  [['--once'], '--watch DIR'],
  [['--watch', 'd', '--listen', '99'], 'ADDRESS:PORT'],
  [['--watch', 'd', '--subnet', '10.0.0.1/8'], '10.0.0.1'],
  [['--watch', 'd', '--kernel-modules', 'm'], '--kernel'],
  [['--watch', 'd', '--upstream-network', '10.0.0.0'], '10.9.0.0/16'],
  [['--watch', 'd', '--upstream-network', '10.0.0.0/33'], '33'],
  [['--watch', 'd', '--upstream-network', '0.0.0.0/0'], 'wider than any private network'],
  [['--watch', 'd', '--upstream-host', 'api.example.com'], 'NAME=ADDRESS'],
  [['--watch', 'd', '--kubernetes'], 'two sources'],
  [['--kubernetes', '--prune-all'], '--prune-all is for directories'],
  [['--watch', 'd', '--kubeconfig', 'f'], 'belong to --kubernetes'],
  [['--kubernetes', '--context', 'c'], 'belongs to a --kubeconfig'],
  [['placement', '--context', 'c'], 'belongs to a --kubeconfig'],
  [['placement', '--cpu-percent', '200'], 'from 1 to 100'],
  [['--watch', 'd', '--upstream-host', 'https://a.b=10.0.0.1'], 'scheme'],
  [['--watch', 'd', '--upstream-host', '*.example.com=10.0.0.1'], 'not one DNS name'],
  [['logs', 'web', '--tail', '-1'], 'whole number'],
])('words that cannot be meant end with 2 and one line: %j', async (words, hint) => {
  const { code, stdout, stderr } = await run(...words);
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toContain(hint);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('without a command the controller runs, with its defaults, and its exit code is passed on', async () => {
  const { code, options } = await run('--watch', `${base}/a`, '--watch', `${base}/b/../b`);
  expect(code).toBe(7);
  expect(options).toMatchObject({
    stateDir: '/var/lib/hypeman',
    runDir: '/run/hypeman',
    declarations: { in: 'directories', watch: [`${base}/a`, `${base}/b`], pruneAll: false },
    once: false,
    subnet: '10.100.0.0/16',
    dns: [],
    accelerator: 'auto',
    hypervisor: 'qemu',
    listen: { address: '127.0.0.1', port: 9464 },
    metricsListen: 'off',
    resyncMs: 300_000,
    timeoutMs: 600_000,
    logLevel: 'info',
  });
});

test.each([
  [['--kubernetes'], { in: 'cluster' }],
  [['--kubernetes', '--kubeconfig', '/k'], { in: 'cluster', kubeconfig: { path: '/k' } }],
  [
    ['--kubernetes', '--kubeconfig', '/k', '--context', 'c'],
    { in: 'cluster', kubeconfig: { path: '/k', context: 'c' } },
  ],
])('a cluster is named by %j', async (words, declarations) => {
  const { options } = await run(...words);
  expect(options?.declarations).toEqual(declarations);
});

test('options of the program and of run may stand anywhere', async () => {
  const words = [
    '--state-dir',
    `${base}/s`,
    '--run-dir',
    '/run/x',
    'run',
    '--watch',
    base,
    '--once',
    '--timeout',
    '1m',
  ];
  const { options } = await run(
    ...words,
    '--listen',
    'off',
    '--metrics-listen',
    '[10.0.0.7]:9465',
    '--dns',
    '9.9.9.9',
    '--kernel',
    '/k',
    '--resync',
    '5',
  );
  expect(options).toMatchObject({
    stateDir: `${base}/s`,
    runDir: '/run/x',
    once: true,
    timeoutMs: 60_000,
    listen: 'off',
    metricsListen: { address: '10.0.0.7', port: 9465 },
    dns: ['9.9.9.9'],
    kernel: '/k',
    resyncMs: 5000,
  });
});

test('what lies behind the egress proxy', async () => {
  const words = ['--watch', base, '--upstream-ca', 'ca.pem', '--upstream-network', '10.9.0.0/16'];
  const { options } = await run(
    ...[...words, '--upstream-network', 'fd00:9::/32', '--upstream-host', 'API.example.com=10.9.0.7'],
    ...['--upstream-host', 'api.example.com=fd00:9::7', '--upstream-host', 'other.example.com=10.9.0.8'],
  );
  expect(options?.upstream).toEqual({
    caFile: `${process.cwd()}/ca.pem`,
    networks: ['10.9.0.0/16', 'fd00:9::/32'],
    hosts: { 'api.example.com': ['10.9.0.7', 'fd00:9::7'], 'other.example.com': ['10.9.0.8'] },
  });
  expect((await run('--watch', base)).options?.upstream).toEqual({ networks: [], hosts: {} });
});

test('the directories come from the environment where no option names them', async () => {
  let options: RunOptions | undefined;
  const env = { HYPEMAN_STATE_DIR: '/srv/state', HYPEMAN_RUN_DIR: '/srv/run' };
  const capture = (given: RunOptions): Promise<number> => {
    options = given;
    return Promise.resolve(0);
  };
  await cli(['--watch', 'x', '--run-dir', '/run/mine'], { env, run: capture });
  expect(options).toMatchObject({ stateDir: '/srv/state', runDir: '/run/mine' });
});

test('a failure is one line without a stack', async () => {
  const boom = (): Promise<number> => Promise.reject(new TypeError('the ceiling fell'));
  expect(await cli(['--watch', 'x'], { run: boom })).toEqual({
    code: 1,
    stdout: '',
    stderr: 'error: the ceiling fell\n',
  });
});

test('the version', async () => {
  expect((await cli(['--version'])).stdout).toBe('9.9.9\n');
  const { stdout } = await cli(['--run-dir', base, 'version', '-o', 'json']);
  expect(JSON.parse(stdout)).toEqual({ client: { version: '9.9.9', node: process.version } });
});

test('all problems of all files are told at once', async () => {
  await writeFile(`${base}/good.yaml`, instanceYaml('good', 'image: a/b'));
  await writeFile(`${base}/bad.yaml`, instanceYaml('bad', 'image: a/b, vcpus: none, siez: 1GB'));
  await writeFile(`${base}/broken.yaml`, 'a: [');
  await writeFile(`${base}/twice.yaml`, instanceYaml('good', 'image: a/b'));
  const { code, stdout, stderr } = await cli(['validate', base]);
  expect(code).toBe(1);
  expect(stdout).toContain('good.yaml:1:1: Instance/default/good is valid');
  expect(stderr).toMatch(/bad\.yaml:4:\d+: spec\.vcpus/);
  expect(stderr).toMatch(/bad\.yaml:4:\d+: spec\.siez|spec: .*siez/);
  expect(stderr).toMatch(/broken\.yaml:1:/);
  expect(stderr).toContain('already');
  expect(await cli(['validate', `${base}/good.yaml`])).toMatchObject({ code: 0, stderr: '' });
  expect(await cli(['validate', `${base}/none.yaml`])).toMatchObject({ code: 1, stdout: '' });
});

test('a reference body becomes YAML, and what has no place in it is noted on stderr', async () => {
  const body = { name: 'web', image: 'nginx', vcpus: 2, size: '1GB', auto_standby: { enabled: true } };
  await writeFile(`${base}/create.json`, JSON.stringify(body));
  const { code, stdout, stderr } = await cli(['convert', `${base}/create.json`]);
  expect(code).toBe(0);
  expect(parse(stdout)).toMatchObject({
    kind: 'Instance',
    metadata: { name: 'web' },
    spec: { image: 'nginx', vcpus: 2 },
  });
  expect(stderr).toMatch(/^note: .*auto_standby/);
  await writeFile(`${base}/text`, 'no json');
  expect(await cli(['convert', `${base}/text`])).toMatchObject({ code: 1, stdout: '' });
});

test('a plan is told step by step, with the why and the end', async () => {
  const planned: PlannedInstance = {
    key: keyOf('default', 'web'),
    rounds: [
      {
        verdict: 'unmet',
        reason: 'ImageAbsent',
        message: 'the image is not on this host',
        actions: [{ kind: 'pull-image', reference: 'docker.io/library/nginx:1.27' }],
      },
      { verdict: 'waiting', reason: 'ImagePull', message: 'it is being pulled', actions: [] },
    ],
    pendingFields: ['vcpus'],
  };
  const { stdout } = await cli(['plan', 'web.yaml'], { planFiles: () => Promise.resolve([planned]) });
  expect(stdout).toBe(
    [
      'default/web',
      '  1. pull the image docker.io/library/nginx:1.27  (the image is not on this host)',
      '  then: waits (ImagePull): it is being pulled',
      '  waits for a restart: vcpus',
      '',
    ].join('\n'),
  );
});

function instanceYaml(name: string, spec: string): string {
  return `apiVersion: hypeman.dev/v1alpha1\nkind: Instance\nmetadata: { name: ${name} }\nspec: { ${spec} }\n`;
}
