import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { readdir } from 'node:fs/promises';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { cli, conditionOf, declare, eventually, getInstance } from '../support/controller-process.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

/** Counts in a variable of its shell, in memory alone. */
const PROGRAM = {
  entrypoint: ['/bin/sh', '-c'],
  cmd: ['n=0; while true; do n=$((n+1)); echo $n >/tmp/count; sleep 0.2; done'],
};

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.147.0.0/24');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

async function inGuest(name: string, script: string): Promise<string> {
  const { stdout } = await eventually(
    `sh -c ${script} in ${name}`,
    () => cli(house.place, 'exec', name, '--', 'sh', '-c', script),
    ({ exitCode, stdout: said }) => exitCode === 0 && said !== '',
  );
  return stdout.trim();
}

async function declareFork(
  name: string,
  source: string,
  spec: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const { forkFrom = {}, ...others } = spec;
  const document = {
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: { name },
    spec: { forkFrom: { instance: source, ...(forkFrom as object) }, ...others },
  };
  await declare(house.place, `${name}.yaml`, JSON.stringify(document));
}

async function until(
  name: string,
  what: string,
  satisfies: (seen: ReportedInstance) => boolean,
): Promise<ReportedInstance> {
  const seen = await eventually(
    `${name} ${what}`,
    () => getInstance(house.place, name),
    (each) => each !== undefined && satisfies(each),
    120_000,
  );
  if (seen === undefined) throw new Error(`${name} is not there`);
  return seen;
}

const untilReason = (name: string, reason: string): Promise<ReportedInstance> =>
  until(name, reason, ({ status }) =>
    status.conditions.some((each) => each.type === 'Ready' && each.reason === reason),
  );

const traceOfLife = async (name: string): Promise<{ readonly boot: string; readonly counted: number }> => ({
  boot: await inGuest(name, 'cat /proc/sys/kernel/random/boot_id'),
  counted: Number(await inGuest(name, 'cat /tmp/count')),
});

describe('a fork', () => {
  test('of a running instance goes on with its memory, as itself, and its source runs on', async () => {
    await house.declareDemo('base', PROGRAM);
    const source = await house.untilReady('base');
    const before = await traceOfLife('base');

    await declareFork('one', 'base');
    const refused = await untilReason('one', 'SourceNotReady');
    expect(refused.status.conditions.find(({ type }) => type === 'Ready')?.message).toContain('fromRunning');

    await declareFork('one', 'base', { forkFrom: { fromRunning: true } });
    const fork = await house.untilReady('one');
    const life = await traceOfLife('one');
    expect(life.boot).toBe(before.boot);
    expect(life.counted).toBeGreaterThanOrEqual(before.counted);
    expect(await inGuest('one', 'hostname')).toBe('one');
    expect(fork.status.network?.ip).not.toBe(source.status.network?.ip);
    expect(await inGuest('one', 'ip -4 -o addr show eth0')).toContain(fork.status.network?.ip);
    expect(fork.status.fork).toMatchObject({ source: 'base', completedAt: expect.any(String) as string });
    expect(conditionOf(fork, 'UpToDate')).toBe('True');

    const after = await traceOfLife('base');
    expect(after.boot).toBe(before.boot);
    await sleep(500);
    expect((await traceOfLife('base')).counted).toBeGreaterThan(after.counted);
    expect(await readdir(`${house.place.stateDir}/snapshots`)).toBeDefined();
  });
});
