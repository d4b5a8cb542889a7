import { appendFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CliContext, Input, Output } from '../../src/cli/context.ts';
import { runCommand } from '../../src/host/exec.ts';
import { runProgram } from '../../src/cli/program.ts';
import { cliRun } from '../support/cli-run.ts';
import type { CliResult } from '../support/cli-run.ts';
import {
  allow,
  clusterCli,
  makeAgentNamespace,
  openCliNode,
  patchStatus,
} from '../support/cluster-cli-stage.ts';
import type { CliNode } from '../support/cluster-cli-stage.ts';
import { controlPlaneMissing, startControlPlane } from '../support/cluster-control-plane.ts';
import type { ControlPlane } from '../support/cluster-control-plane.ts';
import { eventually, installCrd, makeYard, statusSaying } from '../support/cluster-stage.ts';
import type { Yard } from '../support/cluster-stage.ts';
import { cat } from '../support/scripted-guest.ts';

const missing = controlPlaneMissing();

const KUBECTL = new URL('../../.cache/control-plane/bin/kubectl', import.meta.url).pathname;

const programs = {
  cat,
  both: ({ stdout, stderr }: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }) => {
    stdout.write('out');
    stderr.write('err');
    return Promise.resolve(3);
  },
  flood: ({ stdout }: { stdout: NodeJS.WritableStream }) => {
    for (let block = 0; block < 40; block += 1) stdout.write(Buffer.alloc(100_000, 'x'));
    return Promise.resolve(0);
  },
  wait: async ({ nextSignal }: { nextSignal: () => Promise<number> }) => 128 + (await nextSignal()),
};

describe.skipIf(missing !== undefined)(`commands that reach a node ${missing ?? ''}`, () => {
  let plane: ControlPlane;
  let yard: Yard;
  let kubeconfig = '';
  let nodes = 0;
  let node: CliNode;

  beforeAll(async () => {
    plane = await startControlPlane();
    await installCrd(plane.admin);
    await makeAgentNamespace(plane.admin);
    kubeconfig = await plane.kubeconfig('admin');
  });
  afterAll(() => plane.close());
  beforeEach(async () => {
    yard = await makeYard(plane.admin);
  });
  afterEach(async () => {
    await node.close();
  });

  const open = async (protocol: 'v4' | 'v5' = 'v5'): Promise<void> => {
    nodes += 1;
    node = await openCliNode(plane, `node-${nodes}`, `${protocol}.channel.k8s.io`, programs);
    await yard.create('web', { nodeName: node.name });
    const path = `/apis/hypeman.dev/v1alpha1/namespaces/${yard.namespace}/instances/web`;
    await patchStatus(plane.admin, path, { ...statusSaying('hm'), nodeName: node.name, id: 'idweb' });
  };
  const where = (): readonly string[] => ['--kubeconfig', kubeconfig, '-n', yard.namespace];
  const run = (
    [verb = '', ...words]: readonly string[],
    more: Partial<CliContext> = {},
  ): Promise<CliResult> => clusterCli([verb, ...where(), ...words], more);

  test.each(['v4', 'v5'] as const)(
    '%s: a program has its input, both outputs and its exit code',
    async (protocol) => {
      await open(protocol);
      expect(await run(['exec', 'web', '--', 'both'])).toEqual({ code: 3, stdout: 'out', stderr: 'err' });
      const stdin = Readable.from([Buffer.from('one '), Buffer.from('two')]) as unknown as Input;
      expect(await run(['exec', '-i', 'web', '--', 'cat'], { stdin })).toEqual({
        code: 0,
        stdout: 'one two',
        stderr: '',
      });
      expect(node.kubelet.commands[0]).toEqual(['hypeman-controller', 'at-node', 'socket']);
      await eventually(() => node.kubelet.running() === 0);
    },
  );

  test('much passes both ways, whole', async () => {
    await open();
    expect((await run(['exec', 'web', '--', 'flood'])).stdout).toHaveLength(4_000_000);
    const block = Buffer.alloc(64 * 1024, 'y');
    const stdin = Readable.from(Array.from({ length: 40 }, () => block)) as unknown as Input;
    expect((await run(['exec', '-i', 'web', '--', 'cat'], { stdin })).stdout).toHaveLength(40 * block.length);
  });

  test("a terminal tells its size and each new one, and Ctrl-C is the program's", async () => {
    await open();
    const terminal = cliRun({ env: { TERM: 'xterm' } });
    const stdin = Object.assign(terminal.stdin, { isTTY: true, setRawMode: () => undefined });
    const stdout: Output = Object.assign(terminal.context.stdout, { isTTY: true, columns: 120, rows: 40 });
    const words = ['exec', ...where(), '-it', 'web', '--', 'wait'];
    const ended = runProgram({ ...terminal.context, stdin, stdout }, words);
    await eventually(() => node.guest.started.length === 1);
    const [program] = node.guest.started;
    expect(program?.request).toMatchObject({ terminal: { columns: 120, rows: 40 }, env: { TERM: 'xterm' } });
    Object.assign(stdout, { columns: 90 });
    stdout.emit('resize');
    await eventually(() => program?.resizes.length === 1);
    expect(program?.resizes).toEqual([{ columns: 90, rows: 40 }]);
    terminal.interrupt();
    await ended;
    expect(program?.signals[0]).toBe(2);
    expect(terminal.printed().code).toBe(130);
  });

  test('a connection that is cut ends the command, and its program is hung up on', async () => {
    await open();
    const ended = run(['exec', 'web', '--', 'wait']);
    await eventually(() => node.guest.started.length === 1);
    node.kubelet.cut();
    const { code, stderr } = await ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: the agent hypeman-system\/agent-node-\d+: the connection to it was lost\n$/,
    );
    await eventually(() => node.guest.started[0]?.signals[0] === 1);
    await eventually(() => node.kubelet.running() === 0);
  });

  test('kubectl finds the plugin on the PATH, and the process ends with the exit code of the program', async () => {
    await open();
    const bin = `${node.directory}/bin`;
    await mkdir(`${bin}/link`, { recursive: true });
    // As npm does: a link, whose name is the name under which the program was called.
    const link = `${bin}/link/kubectl-hypeman`;
    await symlink(new URL('../../src/main.ts', import.meta.url).pathname, link);
    await writeFile(`${bin}/kubectl-hypeman`, `#!/bin/sh\nexec ${process.execPath} ${link} "$@"\n`, {
      mode: 0o755,
    });
    const env = { KUBECONFIG: kubeconfig, HOME: node.directory, PATH: `${bin}:/bin:/usr/bin` };
    const kubectl = (verb: string, ...words: readonly string[]): ReturnType<typeof runCommand> =>
      runCommand(KUBECTL, ['hypeman', verb, '-n', yard.namespace, ...words], { env, timeoutMs: 30_000 });
    const got = await kubectl('get', '-o', 'name');
    expect(got).toEqual({ exitCode: 0, stdout: 'instance.hypeman.dev/web', stderr: '' });
    expect(await kubectl('exec', 'web', '--', 'both')).toMatchObject({ exitCode: 3, stdout: 'out' });
  });

  test('files travel both ways', async () => {
    await open();
    const local = `${node.directory}/local`;
    await writeFile(local, 'text', { mode: 0o750 });
    expect(await run(['cp', local, 'web:/etc/app.conf'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(node.guest.files.get('/etc/app.conf')).toEqual({ mode: 0o750, content: Buffer.from('text') });
    expect(await run(['cp', 'web:/etc/app.conf', `${node.directory}/back`])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await readFile(`${node.directory}/back`, 'utf8')).toBe('text');
    expect((await run(['cp', 'web:/nope', local])).code).toBe(1);
    expect(await readFile(local, 'utf8')).toBe('text');
  });

  test("a guest's console is read, its tail, and followed until interrupted", async () => {
    await open();
    expect(await run(['logs', 'web'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no log') as string,
    });
    const log = `${node.directory}/instances/idweb/console.log`;
    await writeFile(log, 'one\ntwo\n');
    expect(await run(['logs', 'web'])).toEqual({ code: 0, stdout: 'one\ntwo\n', stderr: '' });
    expect((await run(['logs', 'web', '--tail', '1'])).stdout).toBe('two\n');
    const following = cliRun();
    const ended = runProgram(following.context, ['logs', ...where(), 'web', '-f', '--tail', '1']);
    await eventually(() => following.printed().stdout === 'two\n');
    await appendFile(log, 'three\n');
    await eventually(() => following.printed().stdout === 'two\nthree\n');
    following.interrupt();
    await ended;
    await eventually(() => node.kubelet.running() === 0);
  });

  test('decisions of the proxy are those of the node; without an instance there is no node', async () => {
    await open();
    expect(await run(['egress', 'web'])).toMatchObject({ code: 0 });
    expect(node.kubelet.commands.at(-1)).toEqual(['hypeman-controller', 'at-node', 'socket']);
    expect(await run(['egress'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('name an instance') as string,
    });
  });

  test('who may not run commands in Pods is told by the API server which right is missing', async () => {
    await open();
    const read = ['get', 'list'];
    await allow(plane.admin, yard.namespace, 'agent', [
      { apiGroups: ['hypeman.dev'], resources: ['instances'], verbs: read },
    ]);
    const words = [
      'exec',
      '--kubeconfig',
      await plane.kubeconfig('agent'),
      '-n',
      yard.namespace,
      'web',
      '--',
      'both',
    ];
    expect((await clusterCli(words)).stderr).toMatch(
      /^error: forbidden: .*cannot list resource "pods" .* namespace "hypeman-system"\n$/,
    );
    await allow(plane.admin, 'hypeman-system', 'agent', [
      { apiGroups: [''], resources: ['pods'], verbs: read },
    ]);
    expect((await clusterCli(words)).stderr).toMatch(
      /^error: forbidden: .*cannot get resource "pods\/exec" .* namespace "hypeman-system"\n$/,
    );
    expect(node.kubelet.commands).toEqual([]);
  });

  test('an agent that is not there, does not run, has no program, or no kubelet, is one sentence', async () => {
    await open();
    const exec = async (): Promise<string> => (await run(['exec', 'web', '--', 'both'])).stderr;
    expect((await run(['exec', '--agent-namespace', 'default', 'web', '--', 'both'])).stderr).toMatch(
      /^error: no agent runs on node "node-\d+": see kubectl -n default get pods .*\n$/,
    );
    const pod = `/api/v1/namespaces/hypeman-system/pods/agent-${node.name}`;
    await patchStatus(plane.admin, pod, { phase: 'Pending' });
    expect(await exec()).toMatch(/^error: the agent agent-node-\d+ on node .* does not run \(Pending\).*\n$/);
    await patchStatus(plane.admin, pod, { phase: 'Running' });
    await node.stopAgent();
    expect(await exec()).toMatch(/^error: the agent .*: no controller answers on .* of the node yet\n$/);
    node.removeProgram();
    expect(await exec()).toMatch(/^error: the agent .*: executable file not found in \$PATH\n$/);
    await node.kubelet.close();
    expect(await exec()).toMatch(/^error: the agent .* cannot be reached through the API server: .*\n$/);
    await yard.create('new');
    expect((await run(['exec', 'new', '--', 'both'])).stderr).toMatch(
      /^error: instance "new" is on no node yet.*\n$/,
    );
  });
});
