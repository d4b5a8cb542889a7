import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ReportedInstance } from '../../src/api/reported.ts';
import { cli, conditionOf, eventually, getInstance } from '../support/controller-process.ts';
import { machinesOf } from '../support/machines.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';

const MIB = 1024 ** 2;
const ROOM = { hotplugSize: '512MB', entrypoint: ['/bin/sh', '-c'], cmd: ['while true; do sleep 1; done'] };
/** In memory alone, and more of it than the guest was started with. */
const HOARD =
  'mkdir -p /hoard; mount -t tmpfs -o size=400m none /hoard; dd if=/dev/urandom of=/hoard/it bs=1M count=230';

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.139.0.0/24');
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
    () => cli(house.place, 'exec', 'grows', '--', 'sh', '-c', script),
    ({ exitCode, stdout: said }) => exitCode === 0 && said !== '',
  );
  return stdout.trim();
}

/** What a boot makes anew, and nothing else. */
const guestBoot = (): Promise<string> => inGuest('cat /proc/sys/kernel/random/boot_id');
const memTotal = async (): Promise<number> =>
  Number(/MemTotal: +(\d+) kB/.exec(await inGuest('cat /proc/meminfo'))?.[1]) * 1024;

async function declareSize(size: string, spec: Readonly<Record<string, unknown>> = {}): Promise<void> {
  await house.declareDemo('grows', { ...ROOM, size, ...spec });
}

async function until(
  what: string,
  satisfies: (seen: ReportedInstance) => boolean,
): Promise<ReportedInstance> {
  const seen = await eventually(
    what,
    () => getInstance(house.place, 'grows'),
    (each) => each !== undefined && satisfies(each),
    150_000,
  );
  if (seen === undefined) throw new Error('grows is not there');
  return seen;
}

const untilSize = (size: string): Promise<ReportedInstance> =>
  until(size, (seen) => seen.status.size === size && conditionOf(seen, 'UpToDate') === 'True');

/** What the kernel keeps for itself of what it boots with; of what is added later it keeps nothing back. */
const KERNEL_BYTES = 64 * MIB;

/** The guest's own word, which comes a moment after the hypervisor's. */
async function untilMemory(bytes: number): Promise<number> {
  return eventually(
    `${bytes} bytes in the guest`,
    memTotal,
    (total) => total > bytes - KERNEL_BYTES && total <= bytes,
  );
}

async function memoryFiles(): Promise<readonly string[]> {
  const id = (await getInstance(house.place, 'grows'))?.status.id ?? '';
  const names = await readdir(`${house.place.stateDir}/instances/${id}`);
  return names.filter((name) => name.startsWith('memory.img')).sort();
}

function messageOf({ status }: ReportedInstance, type: string): string {
  return status.conditions.find((each) => each.type === type)?.message ?? '';
}

describe('memory that is added to a guest that runs', () => {
  let boot = '';

  test('is there within a moment, without a restart, and the status says so', async () => {
    await declareSize('192MB');
    const before = await house.untilReady('grows');
    expect(before.status).toMatchObject({ size: '192MB', hotplugSize: '512MB' });
    boot = await guestBoot();
    const atBoot = await untilMemory(192 * MIB);
    await declareSize('448MB');
    const after = await untilSize('448MB');
    expect(after.status).toMatchObject({ size: '448MB', hotplugSize: '256MB', restarts: 0 });
    expect(await untilMemory(448 * MIB)).toBe(atBoot + 256 * MIB);
    expect(await guestBoot()).toBe(boot);
    expect(await memoryFiles()).toEqual(['memory.img', 'memory.img.0']);
  });

  test('goes to standby and comes back with all that is in it, and grows on from there', async () => {
    await inGuest(`${HOARD}; echo done`);
    const sum = await inGuest('md5sum /hoard/it');
    await declareSize('448MB', { state: 'Standby' });
    await until(
      'standby',
      (seen) => seen.status.state === 'Standby' && conditionOf(seen, 'Ready') === 'True',
    );
    expect(await machinesOf(house.place)).toEqual([]);
    expect(await memoryFiles()).toEqual([]);
    await declareSize('448MB');
    await house.untilReady('grows');
    expect(await inGuest('md5sum /hoard/it')).toBe(sum);
    await untilMemory(448 * MIB);
    await declareSize('576MB');
    await untilSize('576MB');
    await untilMemory(576 * MIB);
    expect(await inGuest('md5sum /hoard/it')).toBe(sum);
    expect(await guestBoot()).toBe(boot);
  });

  test('is not taken away, nor raised beyond its room or by less than a section: that waits, and says why', async () => {
    const waits = [
      ['320MB', /not taken from a guest that runs/],
      ['1GB', /left room up to 704MB/],
      ['600MB', /in steps of 128MB/],
    ] as const;
    for (const [size, why] of waits) {
      await declareSize(size);
      const seen = await until(`${size} waits`, (each) => why.test(messageOf(each, 'UpToDate')));
      expect(seen.status).toMatchObject({ size: '576MB', pendingFields: ['size'] });
      expect(conditionOf(seen, 'Ready')).toBe('True');
    }
    await untilMemory(576 * MIB);
    expect(await guestBoot()).toBe(boot);
  });

  test('is one block with the rest after the next start', async () => {
    await declareSize('320MB', { restartedAt: '2026-01-01T00:00:00Z' });
    await untilSize('320MB');
    const seen = await house.untilReady('grows');
    expect(seen.status).toMatchObject({ size: '320MB', hotplugSize: '512MB' });
    await untilMemory(320 * MIB);
    expect(await guestBoot()).not.toBe(boot);
    expect(await memoryFiles()).toEqual(['memory.img']);
    boot = await guestBoot();
  });

  test('is added once, whenever the controller is killed meanwhile', async () => {
    for (const size of ['448MB', '576MB', '704MB', '832MB']) {
      await declareSize(size);
      await sleep(Math.random() * 400);
      await house.restartController();
      await untilSize(size);
      await untilMemory(Number.parseInt(size, 10) * MIB);
    }
    expect(await guestBoot()).toBe(boot);
    expect(await memoryFiles()).toEqual(
      [0, 1, 2, 3].reduce((names, slot) => [...names, `memory.img.${slot}`], ['memory.img']),
    );
  });
});
