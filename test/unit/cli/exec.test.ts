import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Input, Output } from '../../../src/cli/context.ts';
import { controllerAt } from '../../../src/cli/controller-client.ts';
import { runProgram } from '../../../src/cli/program.ts';
import { openLog } from '../../../src/log.ts';
import { instanceId, keyOf } from '../../../src/machine/ids.ts';
import { openControlSocket } from '../../../src/serve/control-socket.ts';
import type { ControlSocket } from '../../../src/serve/control-socket.ts';
import { encodeFrame, framesOf } from '../../../src/serve/exec-frames.ts';
import { cli, cliRun, report, reported } from '../../support/cli-run.ts';
import type { CliResult } from '../../support/cli-run.ts';
import { eventually } from '../../support/controller-process.ts';
import { fakeEgress } from '../../support/fake-workshops.ts';
import { cat, scriptedGuest } from '../../support/scripted-guest.ts';
import type { ScriptedGuest } from '../../support/scripted-guest.ts';

const guestPrograms = {
  cat,
  true: () => Promise.resolve(0),
  exit: ({ request }: { request: { argv: readonly string[] } }) => Promise.resolve(Number(request.argv[1])),
  both: async ({ stdout, stderr }: { stdout: NodeJS.WritableStream; stderr: NodeJS.WritableStream }) => {
    stdout.write('out');
    stderr.write('err');
    return Promise.resolve(3);
  },
  flood: async ({ stdout }: { stdout: NodeJS.WritableStream }) => {
    for (let block = 0; block < 64; block += 1) stdout.write(Buffer.alloc(100_000, block));
    return Promise.resolve(0);
  },
  wait: async ({ nextSignal }: { nextSignal: () => Promise<number> }) => 128 + (await nextSignal()),
};

let base = '';
let guest: ScriptedGuest;
let socket: ControlSocket;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hm-'));
  guest = scriptedGuest(guestPrograms);
  const known = { 'default/web': true, 'default/bare': false } as Readonly<Record<string, boolean>>;
  socket = await openControlSocket({
    path: `${base}/controller.sock`,
    links: guest.links,
    egress: fakeEgress(),
    resolve: (key) => {
      const agent = known[key];
      return agent === undefined ? undefined : { id: instanceId('x'), agent };
    },
    processOf: () => Promise.resolve(undefined),
    log: openLog('silent'),
    version: '1.2.3',
  });
  await report(base, reported('web'), reported('bare'), reported('elsewhere'));
});
afterEach(async () => {
  await socket.close();
  await rm(base, { recursive: true, force: true });
});

const places = (): readonly string[] => ['--state-dir', base, '--run-dir', base];
function exec(...words: readonly string[]): Promise<CliResult> {
  return cli([...places(), 'exec', ...words]);
}

test("a program's exit code and both its outputs come back", async () => {
  expect(await exec('web', '--', 'both')).toEqual({ code: 3, stdout: 'out', stderr: 'err' });
  for (const code of [0, 1, 126, 137, 255])
    expect(await exec('web', '--', 'exit', `${code}`)).toMatchObject({ code });
});

test('input goes to the program up to its end', async () => {
  const stdin = Readable.from([Buffer.from('one '), Buffer.from('two')]) as unknown as Input;
  expect(await cli([...places(), 'exec', '-i', 'web', '--', 'cat'], { stdin })).toMatchObject({
    code: 0,
    stdout: 'one two',
  });
});

test('without -i the program has an empty input and not this one', async () => {
  const stdin = Readable.from([Buffer.from('secret')]) as unknown as Input;
  expect(await cli([...places(), 'exec', 'web', '--', 'cat'], { stdin })).toMatchObject({
    code: 0,
    stdout: '',
  });
});

test('much output arrives whole before the exit code', async () => {
  const chunks: Buffer[] = [];
  const run = cliRun();
  run.context.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await runProgram(run.context, [...places(), 'exec', 'web', '--', 'flood']);
  await sleep(20);
  const all = Buffer.concat(chunks);
  expect(all.length).toBe(6_400_000);
  expect(all.at(-1)).toBe(63);
});

test('much input passes a program that reads slowly', async () => {
  const block = Buffer.alloc(64 * 1024, 'x');
  const stdin = Readable.from(Array.from({ length: 40 }, () => block)) as unknown as Input;
  const run = cliRun({ stdin });
  let length = 0;
  run.context.stdout.on('data', (chunk: Buffer) => (length += chunk.length));
  await runProgram(run.context, [...places(), 'exec', '-i', 'web', '--', 'cat']);
  await sleep(20);
  expect(length).toBe(40 * block.length);
});

test('a terminal is raw while the program runs, tells its size and each new one, and is given back', async () => {
  const raw: boolean[] = [];
  const run = cliRun({ env: { TERM: 'xterm-256color' } });
  const stdin = Object.assign(run.stdin, { isTTY: true, setRawMode: (on: boolean) => raw.push(on) });
  const stdout = Object.assign(run.context.stdout, { isTTY: true, columns: 120, rows: 40 }) as Output & {
    columns: number;
  };
  const ended = runProgram({ ...run.context, stdin, stdout }, [
    ...places(),
    'exec',
    '-it',
    'web',
    '--',
    'wait',
  ]);
  const started = await eventually(
    'the program',
    () => Promise.resolve(guest.started[0]),
    (process) => process !== undefined,
    5000,
  );
  expect(raw).toEqual([true]);
  expect(started?.request).toMatchObject({
    terminal: { columns: 120, rows: 40 },
    env: { TERM: 'xterm-256color' },
  });
  stdout.columns = 90;
  stdout.emit('resize');
  await eventually(
    'the new size',
    () => Promise.resolve(started?.resizes.length),
    (count) => count === 1,
    5000,
  );
  expect(started?.resizes).toEqual([{ columns: 90, rows: 40 }]);
  run.interrupt();
  await ended;
  expect(raw).toEqual([true, false]);
  // A terminal that is still read keeps the process alive after its work.
  expect([stdin.isPaused(), stdin.listenerCount('data'), stdin.listenerCount('readable')]).toEqual([
    true,
    0,
    0,
  ]);
  expect(run.printed().code).toBe(130);
});

test('-t without a terminal is left out with a warning, as kubectl does', async () => {
  const { code, stderr } = await exec('-t', 'web', '--', 'true');
  expect([code, stderr]).toEqual([0, 'warning: -t is left out: the input is not a terminal\n']);
  expect(guest.started[0]?.request.terminal).toBeUndefined();
});

test('a client that goes hangs up on its program', async () => {
  const connection = await controllerAt(`${base}/controller.sock`).openExec(keyOf('default', 'web'));
  connection.write(encodeFrame({ is: 'start', request: { argv: ['wait'], env: {} } }));
  await eventually(
    'the program',
    () => Promise.resolve(guest.started.length),
    (count) => count === 1,
    5000,
  );
  connection.destroy();
  await eventually(
    'SIGHUP',
    () => Promise.resolve(guest.started[0]?.signals),
    (got) => got?.[0] === 1,
    5000,
  );
});

test('words that are no frame end the connection with a fault and nothing else', async () => {
  const connection = await controllerAt(`${base}/controller.sock`).openExec(keyOf('default', 'web'));
  connection.write(Buffer.from([99, 0, 0, 0, 0]));
  const frames = [];
  for await (const frame of framesOf(connection)) frames.push(frame);
  expect(frames).toMatchObject([{ is: 'fault', reason: 'BadFrame' }]);
  expect(await exec('web', '--', 'true')).toMatchObject({ code: 0 });
});

test('what cannot be reached is said, with exit code 1', async () => {
  expect(await exec('nope', '--', 'true')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('NotFound') as string,
  });
  expect((await exec('web', '--', 'unknown')).stderr).toBe('error: the guest does not answer\n');
  expect((await exec('bare', '--', 'true')).stderr).toContain('skipGuestAgent');
  expect((await exec('elsewhere', '--', 'true')).stderr).toContain('has no machine on this host');
  await socket.close();
  const { code, stderr } = await exec('web', '--', 'true');
  expect(code).toBe(1);
  expect(stderr).toMatch(/^error: no controller answers on .*controller\.sock: start it/);
});

test('a command is needed', async () => {
  expect(await exec('web')).toMatchObject({ code: 2 });
});

test('the socket belongs to root alone and answers who is there', async () => {
  expect((await stat(`${base}/controller.sock`)).mode & 0o777).toBe(0o600);
  const ping = await controllerAt(`${base}/controller.sock`).ping();
  expect(ping).toMatchObject({ pid: process.pid, version: '1.2.3' });
  expect((await cli([...places(), 'version', '-o', 'json'])).stdout).toContain('"1.2.3"');
});

test('a second controller does not take the socket of a living one, but that of a dead one', async () => {
  const options = {
    path: `${base}/controller.sock`,
    links: guest.links,
    egress: fakeEgress(),
    resolve: () => undefined,
    processOf: () => Promise.resolve(undefined),
    log: openLog('silent'),
    version: '2',
  };
  await expect(openControlSocket(options)).rejects.toMatchObject({ reason: 'SocketInUse' });
  await socket.close();
  await writeFile(options.path, '');
  const second = await openControlSocket(options);
  expect(await controllerAt(options.path).ping()).toMatchObject({ version: '2' });
  await second.close();
  await expect(stat(options.path)).rejects.toThrow('ENOENT');
});

test('a file travels into the guest with its mode, and back', async () => {
  await writeFile(`${base}/local`, 'text', { mode: 0o750 });
  expect(await cli([...places(), 'cp', `${base}/local`, 'web:/etc/app.conf'])).toMatchObject({
    code: 0,
    stderr: '',
  });
  expect(guest.files.get('/etc/app.conf')).toEqual({ mode: 0o750, content: Buffer.from('text') });
  expect(await cli([...places(), 'cp', 'web:/etc/app.conf', base])).toMatchObject({ code: 0, stderr: '' });
  expect(await readFile(`${base}/app.conf`, 'utf8')).toBe('text');
});

test('a file that the guest does not have leaves the local one as it was', async () => {
  await writeFile(`${base}/local`, 'before');
  const { code, stderr } = await cli([...places(), 'cp', 'web:/nope', `${base}/local`]);
  expect(code).toBe(1);
  expect(stderr).toContain('/nope');
  expect(await readFile(`${base}/local`, 'utf8')).toBe('before');
});

test.each([
  ['a', 'b'],
  ['web:/a', 'web:/b'],
  ['web:relative', 'b'],
  ['/tmp', 'web:/a'],
])('cp %s %s is a usage error', async (from, to) => {
  expect(await cli([...places(), 'cp', from, to])).toMatchObject({ code: 2 });
});
