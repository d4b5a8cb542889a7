import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cli, conditionOf, eventually, getInstance, tracesOf } from '../support/controller-process.ts';
import { COUNTER, isReady, openForkHouse, reasonOf } from '../support/fork-house.ts';
import type { ForkHouse, Life } from '../support/fork-house.ts';

/** More by hand: `FORK_FAN=25`. */
const FAN_OUT = Number(process.env.FORK_FAN ?? 4);
const RUNNING = { forkFrom: { fromRunning: true } };

let house: ForkHouse;

beforeAll(async () => {
  house = await openForkHouse('10.147.0.0/24');
  await house.declareDemo('base', COUNTER);
  await house.untilReady('base');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

async function goesOn(name: string, before: Life): Promise<void> {
  const now = await house.lifeOf(name);
  expect(now.boot).toBe(before.boot);
  await expect.poll(async () => (await house.lifeOf(name)).counted).toBeGreaterThan(now.counted);
}

const bases = (): Promise<readonly string[]> => readdir(`${house.place.stateDir}/snapshots`).catch(() => []);

describe('a fork', () => {
  test('of a running instance goes on with its memory, as itself, and its source runs on', async () => {
    const before = await house.lifeOf('base');
    const source = await getInstance(house.place, 'base');
    await house.declareForks(['one'], 'base');
    const refused = await house.until('one', 'refused', (seen) => reasonOf(seen) === 'SourceNotReady');
    expect(refused.status.conditions.find(({ type }) => type === 'Ready')?.message).toContain('fromRunning');

    await house.declareForks(['one'], 'base', RUNNING);
    const fork = await house.untilReady('one');
    const life = await house.lifeOf('one');
    expect(life.boot).toBe(before.boot);
    expect(life.counted).toBeGreaterThanOrEqual(before.counted);
    expect(await house.inGuest('one', 'hostname')).toBe('one');
    const ip = fork.status.network?.ip;
    expect(ip).not.toBe(source?.status.network?.ip);
    expect(await house.inGuest('one', 'ip -4 -o addr show eth0')).toContain(`${ip}/32`);
    expect(fork.status.fork).toMatchObject({
      source: 'base',
      sourcePauseMs: expect.any(Number) as number,
      completedAt: expect.any(String) as string,
    });
    expect(conditionOf(fork, 'UpToDate')).toBe('True');
    await goesOn('base', before);
    expect((await cli(house.place, 'describe', 'one')).stdout).toContain('Forked from:');
    expect((await cli(house.place, 'describe', 'base')).stdout).toContain('Forks:\n  one (Running)\n');
  });

  test('has what its document does not say from its source, and keeps it when that goes or changes', async () => {
    expect(await house.inGuest('one', "tr '\\0' '\\n' </proc/1/environ | wc -l")).not.toBe('');
    const { status } = await house.until('one', 'ready', isReady);
    expect(status).toMatchObject({ vcpus: 1, size: '192MB', overlaySize: '256MB' });
    await house.declareDemo('base', { ...COUNTER, vcpus: 2 });
    await house.until('base', 'edited', (seen) => seen.status.pendingFields?.includes('vcpus') === true);
    await sleep(500);
    const fork = await getInstance(house.place, 'one');
    expect(fork?.status.pendingFields).toBeUndefined();
    await house.declareDemo('base', COUNTER);
  });

  test('of which several are declared at once are made in one go, and differ in everything that names them', async () => {
    const names = Array.from({ length: FAN_OUT }, (_, at) => `fan-${at}`);
    await house.declareForks(names, 'base', RUNNING);
    for (const name of names) await house.untilReady(name);
    const identities = await Promise.all(
      names.map((name) =>
        house.inGuest(
          name,
          'hostname; cat /sys/class/net/eth0/address; ip -4 -o addr show eth0 | cut -d" " -f7; head -c 16 /dev/urandom | od -An -tx1',
        ),
      ),
    );
    const columns = [0, 1, 2, 3].map((line) => identities.map((text) => text.split('\n')[line]));
    for (const column of columns) expect(new Set(column).size).toBe(names.length);
    const log = await readFile(house.controller().logPath, 'utf8');
    const freezings = log.split('\n').filter((line) => line.includes('"freeze-machine"'));
    // One for `one`, and for all at once seldom more than two.
    expect(freezings.length).toBeLessThanOrEqual(4);
    await house.withdraw('fan-0');
  });

  test('of a fork outlives it, and its first source', async () => {
    await house.declareForks(['two'], 'one', RUNNING);
    await house.untilReady('two');
    const life = await house.lifeOf('two');
    await house.withdraw('one');
    await eventually(
      'one gone',
      () => getInstance(house.place, 'one'),
      (seen) => seen === undefined,
    );
    await house.declareForks(['three'], 'two', RUNNING);
    await house.untilReady('three');
    await goesOn('two', life);
    await goesOn('three', life);
    expect(await house.inGuest('three', 'hostname')).toBe('three');
    await house.withdraw('two');
    await eventually(
      'two gone',
      () => getInstance(house.place, 'two'),
      (seen) => seen === undefined,
    );
    await goesOn('three', life);
  });

  test('goes to standby and comes back, as itself', async () => {
    const life = await house.lifeOf('three');
    await house.declareForks(['three'], 'two', { ...RUNNING, state: 'Standby' });
    await house.until('three', 'in standby', (seen) => seen.status.state === 'Standby' && isReady(seen));
    await house.declareForks(['three'], 'two', RUNNING);
    await house.until('three', 'back', (seen) => seen.status.state === 'Running' && isReady(seen));
    await goesOn('three', life);
    expect(await house.inGuest('three', 'hostname')).toBe('three');
    await house.withdraw('three');
  });

  test('of one in standby is made without waking it, and waits in standby or runs, as is asked', async () => {
    const life = await house.lifeOf('base');
    await house.declareDemo('base', { ...COUNTER, state: 'Standby' });
    await house.until('base', 'in standby', (seen) => seen.status.state === 'Standby' && isReady(seen));
    await house.declareForks(['sleeps'], 'base');
    const sleeping = await house.until(
      'sleeps',
      'in standby',
      (seen) => seen.status.state === 'Standby' && isReady(seen),
    );
    expect(sleeping.status.hasSnapshot).toBe(true);
    await house.declareForks(['wakes'], 'base', { state: 'Running' });
    await house.untilReady('wakes');
    await goesOn('wakes', life);
    expect((await getInstance(house.place, 'base'))?.status.state).toBe('Standby');
    await house.declareForks(['sleeps'], 'base', { state: 'Running' });
    await house.untilReady('sleeps');
    await goesOn('sleeps', life);
    expect(await house.inGuest('sleeps', 'hostname')).toBe('sleeps');
    await house.declareDemo('base', COUNTER);
    await house.until('base', 'back', (seen) => seen.status.state === 'Running' && isReady(seen));
    await goesOn('base', life);
    for (const name of ['sleeps', 'wakes']) await house.withdraw(name);
  });

  test('of a stopped one has its disks, and boots', async () => {
    const { boot } = await house.lifeOf('base');
    await house.inGuest('base', 'echo kept > /kept; sync; echo done');
    await house.declareDemo('base', { ...COUNTER, state: 'Stopped' });
    await house.until('base', 'stopped', (seen) => seen.status.state === 'Stopped' && isReady(seen));
    await house.declareForks(['cold'], 'base', { state: 'Running' });
    await house.untilReady('cold');
    expect((await house.lifeOf('cold')).boot).not.toBe(boot);
    expect(await house.inGuest('cold', 'cat /kept; hostname')).toBe('kept\ncold');
    await house.inGuest('cold', 'echo other > /kept; sync; echo done');
    await house.declareForks(['rests'], 'base');
    await house.until('rests', 'stopped', (seen) => seen.status.state === 'Stopped' && isReady(seen));
    await house.declareDemo('base', COUNTER);
    await house.until('base', 'back', (seen) => seen.status.state === 'Running' && isReady(seen));
    expect(await house.inGuest('base', 'cat /kept')).toBe('kept');
  });

  test('that is gone with all others leaves nothing, and no base', async () => {
    for (const name of ['cold', 'rests']) await house.withdraw(name);
    await house.remove('base');
    for (const name of ['fan-0', `fan-${FAN_OUT - 1}`, 'three', 'sleeps', 'wakes', 'cold', 'rests'])
      await eventually(
        `${name} gone`,
        () => getInstance(house.place, name),
        (seen) => seen === undefined,
      );
    await eventually('bases gone', bases, (names) => names.length === 0, 90_000);
    const traces = (await tracesOf(house.place)).filter((trace) => !/controller|^table|^routing/.test(trace));
    expect(traces).toEqual([]);
  });
});
