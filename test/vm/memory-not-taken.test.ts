import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { cli, conditionOf, eventually, getInstance } from '../support/controller-process.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

const SPEC = { hotplugSize: '512MB', entrypoint: ['/bin/sh', '-c'], cmd: ['while true; do sleep 1; done'] };
const MEMORY = '/sys/devices/system/memory';
const BRING_ONLINE = `for each in ${MEMORY}/memory*/state; do grep -q offline $each && echo online > $each; done; echo done`;

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.193.0.0/24');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

const declare = (size: string): Promise<unknown> => house.declareDemo('refuses', { ...SPEC, size });

async function until(
  what: string,
  satisfies: (seen: ReportedInstance) => boolean,
): Promise<ReportedInstance> {
  const seen = await eventually(
    what,
    () => getInstance(house.place, 'refuses'),
    (each) => each !== undefined && satisfies(each),
    160_000,
  );
  if (seen === undefined) throw new Error('it is not there');
  return seen;
}

async function inGuest(script: string): Promise<void> {
  await eventually(
    `sh -c ${script}`,
    () => cli(house.place, 'exec', 'refuses', '--', 'sh', '-c', script),
    ({ exitCode, stdout }) => exitCode === 0 && stdout.includes('done'),
  );
}

test(
  'memory that a guest does not bring online is told of, until it does',
  { timeout: 500_000 },
  async () => {
    await declare('256MB');
    await until('ready', (seen) => conditionOf(seen, 'Ready') === 'True');
    await inGuest(`echo offline > ${MEMORY}/auto_online_blocks; echo done`);
    await declare('512MB');
    await until('grown', (seen) => seen.status.size === '512MB');
    const told = await until('told', (seen) => conditionOf(seen, 'UpToDate') === 'False');
    const condition = told.status.conditions.find(({ type }) => type === 'UpToDate');
    expect(condition).toMatchObject({ reason: 'MemoryNotTaken' });
    expect(condition?.message).toMatch(/does not use 256MB/);
    expect(conditionOf(told, 'Ready')).toBe('True');
    await inGuest(BRING_ONLINE);
    await until('taken', (seen) => conditionOf(seen, 'UpToDate') === 'True');
  },
);
