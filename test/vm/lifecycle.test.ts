import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  cli,
  commandLineOf,
  conditionOf,
  declare,
  eventually,
  getInstance,
  tracesOf,
} from '../support/controller-process.ts';
import { DEMO_PORT } from '../support/demo-image.ts';
import { fetchText } from '../support/http.ts';
import { openTerminal } from '../support/terminal.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.111.0.0/24');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

describe('the life of one declared file', () => {
  test('a declared instance answers over its network and is shown as Running', async () => {
    await house.declareDemo('web', { env: { GREETING: 'Hello' } });
    const web = await house.untilReady('web');
    expect(web.status.state).toBe('Running');
    expect(web.status.id).toMatch(/^[a-z][a-z0-9]{23}$/);
    expect(await fetchText(`http://${web.status.network?.ip ?? ''}:${DEMO_PORT}/`)).toContain(
      'Hello from web',
    );
    const { stdout } = await cli(house.place, 'get', 'web');
    expect(stdout).toMatch(/NAME\s+STATE\s+READY/);
    expect(stdout).toMatch(/web\s+Running\s+True/);
  });

  test('an edit that needs a restart waits, is listed field by field, and clears on revert', async () => {
    const before = await house.untilReady('web');
    await house.declareDemo('web', { env: { GREETING: 'Bonjour' }, vcpus: 2 });
    const pending = await eventually(
      'pending',
      () => getInstance(house.place, 'web'),
      (seen) => conditionOf(seen, 'UpToDate') === 'False',
    );
    expect(pending?.status.pendingFields).toEqual(['env.GREETING', 'vcpus']);
    expect(conditionOf(pending, 'Ready')).toBe('True');
    expect(pending?.status.appliedGeneration).toBe(before.status.appliedGeneration);
    await house.declareDemo('web', { env: { GREETING: 'Hello' } });
    const reverted = await eventually(
      'reverted',
      () => getInstance(house.place, 'web'),
      (seen) => conditionOf(seen, 'UpToDate') === 'True',
    );
    expect(reverted?.status.pendingFields ?? []).toEqual([]);
    expect(reverted?.status.startedAt).toBe(before.status.startedAt);
  });

  test('the restart annotation restarts once, and the address stays', async () => {
    const before = await house.untilReady('web');
    await house.declareDemo('web', { env: { GREETING: 'Salut' }, restartedAt: '2026-11-22T12:00:00Z' });
    const after = await eventually(
      'restarted',
      () => getInstance(house.place, 'web'),
      (seen) => seen?.status.startedAt !== before.status.startedAt && conditionOf(seen, 'Ready') === 'True',
      120_000,
    );
    expect(after?.status.network).toEqual(before.status.network);
    expect(await fetchText(`http://${after?.status.network?.ip ?? ''}:${DEMO_PORT}/`)).toContain('Salut');
  });

  test('state: Stopped stops it and keeps its disk; Running starts it again', async () => {
    await cli(house.place, 'exec', 'web', '--', 'sh', '-c', 'echo kept > /kept; sync');
    await house.declareDemo('web', { state: 'Stopped' });
    const stopped = await eventually(
      'stopped',
      () => getInstance(house.place, 'web'),
      (seen) => seen?.status.state === 'Stopped' && conditionOf(seen, 'Ready') === 'True',
    );
    expect(conditionOf(stopped, 'Running')).toBe('False');
    await house.declareDemo('web', {});
    await house.untilReady('web');
    const { stdout } = await cli(house.place, 'exec', 'web', '--', 'cat', '/kept');
    expect(stdout).toBe('kept');
  });

  test('exec passes arguments, both outputs and exit codes, and runs in this very guest', async () => {
    const exit = await cli(house.place, 'exec', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7');
    expect(exit).toMatchObject({ exitCode: 7, stdout: 'out' });
    expect(exit.stderr).toContain('err');
    const { stdout } = await cli(house.place, 'exec', 'web', '--', 'hostname');
    expect(stdout).toBe('web');
  });

  test('exec -it gives a program a terminal: its size, keys as they are typed, its end', async () => {
    const asked = 'stty size; tty; echo $TERM; read -r line; echo "got $line"; sleep 60';
    const exec = commandLineOf(house.place, 'exec', '-it', 'web', '--', 'sh', '-c', asked);
    const terminal = openTerminal(
      `stty rows 33 cols 101; TERM=vt220 ${exec}; code=$?; stty -a | tr -d '\\n'; exit $code`,
    );
    await terminal.shows(/33 101\r+\n\/dev\/pts\/\d+\r+\nvt220\r+\n/);
    terminal.type('typed\r');
    await terminal.shows(/typed\r+\ngot typed\r+\n/);
    // Ctrl-C is the guest's to understand: here it is a key like another.
    terminal.type('\x03');
    expect(await terminal.ended).toBe(130);
    // The terminal is given back as it was.
    expect(await terminal.shows(/ icanon [^]* echo /)).toContain('^C');
  });

  test('cp carries a file into the guest and out of it, byte for byte and with its mode', async () => {
    const directory = `${house.place.stateDir}.cp`;
    await mkdir(directory);
    // More than any pipe, frame or queue on the way holds.
    const content = randomBytes(3_000_001);
    await writeFile(`${directory}/in`, content, { mode: 0o640 });
    const digest = createHash('sha256').update(content).digest('hex');
    expect(await cli(house.place, 'cp', `${directory}/in`, 'web:/tmp')).toMatchObject({ exitCode: 0 });
    const { stdout } = await cli(
      house.place,
      ...['exec', 'web', '--', 'sh', '-c', 'sha256sum </tmp/in; stat -c %a /tmp/in'],
    );
    expect(stdout.split(/\s+/)).toEqual([digest, '-', '640']);
    expect(await cli(house.place, 'cp', 'web:/tmp/in', `${directory}/out`)).toMatchObject({ exitCode: 0 });
    expect((await readFile(`${directory}/out`)).equals(content)).toBe(true);
    const missing = await cli(house.place, 'cp', 'web:/tmp/nothing', `${directory}/nothing`);
    expect(missing.exitCode).toBe(1);
    expect(missing.stderr).toContain('/tmp/nothing');
    expect((await readdir(directory)).toSorted()).toEqual(['in', 'out']);
  });

  test('an invalid edit keeps the machine, reports every problem, and heals', async () => {
    const before = await house.untilReady('web');
    await declare(
      house.place,
      'web.yaml',
      'apiVersion: hypeman.dev/v1alpha1\nkind: Instance\nmetadata: {name: web}\nspec: {image: x, vcpus: many, colour: red}\n',
    );
    const refused = await eventually(
      'refused',
      () => getInstance(house.place, 'web'),
      (seen) => conditionOf(seen, 'Stalled') === 'True',
    );
    const message = refused?.status.conditions.find(({ type }) => type === 'Stalled')?.message ?? '';
    expect(message).toContain('spec.vcpus');
    expect(message).toContain('spec.colour');
    expect(refused?.status.startedAt).toBe(before.status.startedAt);
    await house.declareDemo('web', {});
    await eventually(
      'healed',
      () => getInstance(house.place, 'web'),
      (seen) => conditionOf(seen, 'Stalled') === undefined && conditionOf(seen, 'Ready') === 'True',
    );
  });

  test('removing the file removes everything of it', async () => {
    await rm(`${house.place.watchDir}/web.yaml`);
    await eventually(
      'gone',
      () => getInstance(house.place, 'web'),
      (seen) => seen === undefined,
    );
    const traces = (await tracesOf(house.place)).filter((trace) => !/controller|^table|^routing/.test(trace));
    expect(traces).toEqual([]);
  });
});

describe('programs that end', () => {
  test.each([
    ['zero', 'exit 0', 0],
    ['three', 'exit 3', 3],
    ['killed', 'kill -9 $$', 137],
    ['absent', undefined, 127],
  ])('%s: the exit code reaches the status under restartPolicy Never', async (name, script, code) => {
    await house.declareDemo(name, {
      restartPolicy: 'Never',
      entrypoint: script === undefined ? ['/no/such/program'] : ['/bin/sh', '-c'],
      cmd: script === undefined ? [] : [script],
    });
    const ended = await eventually(
      'exit code',
      () => getInstance(house.place, name),
      (seen) => seen?.status.exitCode !== undefined && seen.status.state === 'Stopped',
      120_000,
    );
    expect(ended?.status.exitCode).toBe(code);
    expect(ended?.status.restarts ?? 0).toBe(0);
    await house.remove(name);
  });

  test('OnFailure starts it again with growing pauses, and says CrashLoop', async () => {
    await house.declareDemo('loop', { entrypoint: ['/bin/sh', '-c'], cmd: ['exit 1'] });
    const looping = await eventually(
      'restarts',
      () => getInstance(house.place, 'loop'),
      (seen) => (seen?.status.restarts ?? 0) >= 2,
      180_000,
    );
    expect(conditionOf(looping, 'Ready')).toBe('False');
    expect((await cli(house.place, 'describe', 'loop')).stdout).toMatch(/exit code 1|exited/i);
    await house.remove('loop');
  });

  test("the program's own words are what logs shows", async () => {
    await house.declareDemo('words', {
      restartPolicy: 'Never',
      entrypoint: ['/bin/sh', '-c'],
      cmd: ['echo first words; echo last words >&2'],
    });
    const { stdout } = await eventually(
      'words',
      () => cli(house.place, 'logs', 'words'),
      (seen) => seen.stdout.includes('last words'),
      120_000,
    );
    expect(stdout).toContain('first words');
    await house.remove('words');
  });
});

test('the log of the controller holds no value of any env', async () => {
  expect(await readFile(house.controller().logPath, 'utf8')).not.toContain('Bonjour');
});
