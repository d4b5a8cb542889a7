import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { runCommand } from '../../src/host/exec.ts';
import { installationTag } from '../../src/machine/ids.ts';
import { cli, conditionOf, eventually, getInstance, tracesOf } from '../support/controller-process.ts';
import { machinesOf } from '../support/machines.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

const ECHO_PORT = 9000;
/** Counts in a variable of its shell, in memory alone, and echoes what it is sent. */
const PROGRAM = {
  entrypoint: ['/bin/sh', '-c'],
  cmd: [
    `nc -ll -p ${ECHO_PORT} -e /bin/cat & n=0; while true; do n=$((n+1)); echo $n >/tmp/count; sleep 0.2; done`,
  ],
};

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.131.0.0/24');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

async function inGuest(script: string): Promise<string> {
  const { stdout } = await eventually(
    `sh -c ${script}`,
    () => cli(house.place, 'exec', 'kept', '--', 'sh', '-c', script),
    ({ exitCode, stdout: said }) => exitCode === 0 && said !== '',
  );
  return stdout;
}

/** What a boot makes anew, and a restore does not. */
const guestBoot = (): Promise<string> => inGuest('cat /proc/sys/kernel/random/boot_id');
const count = async (): Promise<number> => Number(await inGuest('cat /tmp/count'));

async function declareState(state: string): Promise<void> {
  await house.declareDemo('kept', { ...PROGRAM, state });
}

async function until(
  what: string,
  satisfies: (seen: ReportedInstance) => boolean,
): Promise<ReportedInstance> {
  const seen = await eventually(
    what,
    () => getInstance(house.place, 'kept'),
    (each) => each !== undefined && satisfies(each),
    150_000,
  );
  if (seen === undefined) throw new Error('kept is not there');
  return seen;
}

const untilStandby = (): Promise<ReportedInstance> =>
  until('standby', (seen) => seen.status.state === 'Standby' && conditionOf(seen, 'Ready') === 'True');

async function standBy(): Promise<ReportedInstance> {
  await declareState('Standby');
  return untilStandby();
}

async function goOn(): Promise<ReportedInstance> {
  await declareState('Running');
  return until('running', (seen) => seen.status.state === 'Running' && conditionOf(seen, 'Ready') === 'True');
}

/** Where the guest is in its life, and proof that it is the same one. */
async function traceOfLife(): Promise<{ readonly boot: string; readonly counted: number }> {
  return { boot: await guestBoot(), counted: await count() };
}

async function echoed(socket: Socket, text: string): Promise<string> {
  const answer = once(socket, 'data', { signal: AbortSignal.timeout(30_000) });
  socket.write(text);
  return String((await answer)[0]);
}

async function idOf(): Promise<string> {
  return (await getInstance(house.place, 'kept'))?.status.id ?? '';
}

const standbyOf = async (): Promise<string> => `${house.place.stateDir}/instances/${await idOf()}/standby`;

async function eventsOf(): Promise<string> {
  return (await cli(house.place, 'describe', 'kept')).stdout;
}

/** No processes, no /run, no taps, no rules; what is on disk stays. */
async function rebootHost(): Promise<void> {
  await house.controller().stop('SIGKILL');
  for (const { pid } of await machinesOf(house.place)) process.kill(pid, 'SIGKILL');
  const tag = installationTag(house.place.stateDir);
  const taps = `ip -br link | grep -oE '^h[mi]-${tag}[a-z0-9]*'`;
  const tables = `nft list tables | grep -F '${tag}'`;
  await runCommand('sh', ['-c', `rm -rf ${house.place.runDir}/*`]);
  await runCommand('sh', ['-c', `for d in $(${taps}); do ip link del $d; done`]);
  await runCommand('sh', ['-c', `${tables} | while read -r line; do nft delete $line; done`]);
}

describe('an instance in standby', () => {
  test('frees its VMM, and goes on where it was: memory, connections, address, clock', async () => {
    await declareState('Running');
    const before = await house.untilReady('kept');
    const life = await traceOfLife();
    const socket = connect(ECHO_PORT, before.status.network?.ip ?? '');
    await once(socket, 'connect');
    expect(await echoed(socket, 'before')).toBe('before');

    const standby = await standBy();
    expect(await machinesOf(house.place)).toEqual([]);
    expect(standby.status).toMatchObject({ hasSnapshot: true, startedAt: before.status.startedAt });
    expect(conditionOf(standby, 'Running')).toBe('False');
    await sleep(4_000);

    const after = await goOn();
    expect(await echoed(socket, 'after')).toBe('after');
    socket.destroy();
    const now = await traceOfLife();
    expect(now.boot).toBe(life.boot);
    expect(now.counted).toBeGreaterThan(life.counted);
    const asked = Date.now() / 1000;
    const guestClock = Number(await inGuest('date +%s'));
    expect(guestClock).toBeGreaterThan(asked - 2);
    expect(guestClock).toBeLessThan(Date.now() / 1000 + 2);
    expect(after.status).toMatchObject({
      hasSnapshot: false,
      restarts: before.status.restarts,
      startedAt: before.status.startedAt,
      network: before.status.network,
    });
    expect(await readFile(house.controller().logPath, 'utf8')).toContain('"refresh-guest"');
    expect(await eventsOf()).toMatch(/Suspended[^]*Restored/);
  });

  test('goes through three more standbys, and each time it is the same guest', async () => {
    let life = await traceOfLife();
    for (let cycle = 0; cycle < 3; cycle++) {
      await standBy();
      await goOn();
      const now = await traceOfLife();
      expect(now.boot).toBe(life.boot);
      expect(now.counted).toBeGreaterThan(life.counted);
      life = now;
    }
  });

  test('is there after a controller that was killed in the middle of it', async () => {
    const life = await traceOfLife();
    await declareState('Standby');
    await sleep(400);
    await house.restartController('SIGKILL');
    await untilStandby();
    await declareState('Running');
    await sleep(400);
    await house.restartController('SIGKILL');
    await goOn();
    expect((await traceOfLife()).boot).toBe(life.boot);
  });

  test('outlives a reboot of its host', async () => {
    const life = await traceOfLife();
    await standBy();
    await rebootHost();
    await house.restartController();
    await untilStandby();
    await goOn();
    const now = await traceOfLife();
    expect(now.boot).toBe(life.boot);
    expect(now.counted).toBeGreaterThan(life.counted);
  });

  test('whose memory is lost boots from its disks, and a warning says so', async () => {
    const life = await traceOfLife();
    await inGuest('echo kept > /kept; sync; echo done');
    await standBy();
    await house.controller().stop('SIGKILL');
    const manifest = `${await standbyOf()}/manifest.json`;
    const words = JSON.parse(await readFile(manifest, 'utf8')) as object;
    await writeFile(manifest, JSON.stringify({ ...words, unsettledOnBoot: 'another' }));
    await declareState('Running');
    await house.restartController();
    await goOn();
    expect(await guestBoot()).not.toBe(life.boot);
    expect(await inGuest('cat /kept')).toBe('kept');
    expect(await eventsOf()).toMatch(/Warning\s+MemoryLost/);
  });

  test('loses its memory when it is stopped, which plan says before, and keeps its disks', async () => {
    const life = await traceOfLife();
    await standBy();
    const standby = await standbyOf();
    await house.controller().stop();
    await declareState('Stopped');
    const { stdout } = await cli(house.place, 'plan', `${house.place.watchDir}/kept.yaml`);
    expect(stdout).toContain('the memory of the standby is lost');
    await house.restartController();
    const stopped = await until(
      'stopped',
      (seen) => seen.status.state === 'Stopped' && conditionOf(seen, 'Ready') === 'True',
    );
    expect(stopped.status.hasSnapshot).toBe(false);
    await expect(stat(standby)).rejects.toMatchObject({ code: 'ENOENT' });
    await goOn();
    expect(await guestBoot()).not.toBe(life.boot);
    expect(await inGuest('cat /kept')).toBe('kept');
  });

  test('that is removed leaves nothing', async () => {
    await standBy();
    await rm(`${house.place.watchDir}/kept.yaml`);
    await eventually(
      'gone',
      () => getInstance(house.place, 'kept'),
      (seen) => seen === undefined,
    );
    const traces = (await tracesOf(house.place)).filter((trace) => !/controller|^table|^routing/.test(trace));
    expect(traces).toEqual([]);
  });
});
