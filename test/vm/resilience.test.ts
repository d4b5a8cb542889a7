import { readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../../src/host/exec.ts';
import { installationTag } from '../../src/machine/ids.ts';
import { cli, conditionOf, eventually, getInstance, tracesOf } from '../support/controller-process.ts';
import { openTestHouse } from '../support/test-house.ts';
import type { TestHouse } from '../support/test-house.ts';
import { machinesOf } from '../support/machines.ts';

let house: TestHouse;

beforeAll(async () => {
  house = await openTestHouse('10.112.0.0/24');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

async function pidOf(name: string): Promise<number> {
  const id = (await getInstance(house.place, name))?.status.id ?? 'none';
  const machines = (await machinesOf(house.place)).filter((machine) => machine.id === id);
  expect(machines).toHaveLength(1);
  return machines[0]?.pid ?? 0;
}

test('the controller killed in the middle of a boot adopts the machine: one VMM, no second boot', async () => {
  await house.declareDemo('boot', {});
  await eventually(
    'VMM process',
    () => machinesOf(house.place),
    (machines) => machines.length === 1,
  );
  const [before] = await machinesOf(house.place);
  await house.restartController('SIGKILL');
  const ready = await house.untilReady('boot');
  expect(await pidOf('boot')).toBe(before?.pid);
  expect(ready.status.restarts ?? 0).toBe(0);
});

test('a restart of the controller does not touch a machine, its address or its network', async () => {
  const before = await house.untilReady('boot');
  const pid = await pidOf('boot');
  await house.restartController('SIGTERM');
  await house.untilReady('boot');
  expect(await pidOf('boot')).toBe(pid);
  const after = await getInstance(house.place, 'boot');
  expect(after?.status.network).toEqual(before.status.network);
  expect(after?.status.startedAt).toBe(before.status.startedAt);
  expect(after?.metadata.uid).toBe(before.metadata.uid);
  await eventually(
    'exec',
    () => cli(house.place, 'exec', 'boot', '--', 'echo', 'alive'),
    ({ stdout }) => stdout === 'alive',
  );
});

test('a VMM killed from outside is healed with the same address', async () => {
  const before = await house.untilReady('boot');
  const pid = await pidOf('boot');
  process.kill(pid, 'SIGKILL');
  const healed = await eventually(
    'healed',
    () => getInstance(house.place, 'boot'),
    (seen) => seen?.status.startedAt !== before.status.startedAt && conditionOf(seen, 'Ready') === 'True',
    120_000,
  );
  expect(await pidOf('boot')).not.toBe(pid);
  expect(healed?.status.network?.ip).toBe(before.status.network?.ip);
});

test('controller and VMM killed together: healed after the controller returns', async () => {
  const before = await house.untilReady('boot');
  process.kill(await pidOf('boot'), 'SIGKILL');
  await house.restartController('SIGKILL');
  await eventually(
    'healed',
    () => getInstance(house.place, 'boot'),
    (seen) => seen?.status.startedAt !== before.status.startedAt && conditionOf(seen, 'Ready') === 'True',
    120_000,
  );
});

test('a program that ends while the controller is away keeps its exit code', async () => {
  await house.declareDemo('job', {
    restartPolicy: 'Never',
    entrypoint: ['/bin/sh', '-c'],
    cmd: ['while [ ! -e /tmp/go ]; do sleep 0.2; done; sleep 2; exit 42'],
  });
  await house.untilReady('job');
  await cli(house.place, 'exec', 'job', '--', 'touch', '/tmp/go');
  await house.controller().stop('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  await house.restartController();
  const ended = await eventually(
    'exit code',
    () => getInstance(house.place, 'job'),
    (seen) => seen?.status.exitCode !== undefined,
  );
  expect(ended?.status.exitCode).toBe(42);
  await house.remove('job');
});

test('a file removed while the controller is away is removed when it returns', async () => {
  await house.declareDemo('away', {});
  await house.untilReady('away');
  await house.controller().stop('SIGKILL');
  await rm(`${house.place.watchDir}/away.yaml`);
  await house.restartController();
  await eventually(
    'gone',
    () => getInstance(house.place, 'away'),
    (seen) => seen === undefined,
  );
  expect((await machinesOf(house.place)).map(({ id }) => id)).toHaveLength(1);
});

test('a host reboot (another boot id, no processes, no /run, no taps, no rules) brings it back', async () => {
  const before = await house.untilReady('boot');
  const id = before.status.id ?? '';
  const pid = await pidOf('boot');
  await house.controller().stop('SIGKILL');
  process.kill(pid, 'SIGKILL');
  const tag = installationTag(house.place.stateDir);
  await runCommand('sh', ['-c', `rm -rf ${house.place.runDir}/*`]);
  await runCommand('sh', [
    '-c',
    `for d in $(ip -br link | grep -oE '^h[mi]-${tag}[a-z0-9]*'); do ip link del $d; done`,
  ]);
  await runCommand('sh', [
    '-c',
    `nft list tables | grep -F '${tag}' | while read -r line; do nft delete $line; done`,
  ]);
  await ageBootId(`${house.place.stateDir}/instances/${id}/vmm.json`);
  await house.restartController();
  const back = await eventually(
    'back',
    () => getInstance(house.place, 'boot'),
    (seen) => seen?.status.startedAt !== before.status.startedAt && conditionOf(seen, 'Ready') === 'True',
    120_000,
  );
  expect(back?.status.network).toEqual(before.status.network);
  expect(back?.status.id).toBe(id);
});

/** As an earlier boot of the host would have written it, with a pid that a stranger now has. */
async function ageBootId(path: string): Promise<void> {
  const identity = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  await writeFile(
    path,
    JSON.stringify({ ...identity, pid: process.pid, bootId: '00000000-0000-4000-8000-000000000000' }),
  );
}

test('a guest that ignores its stop signal is stopped all the same, and leaves nothing', async () => {
  await house.declareDemo('deaf', {
    entrypoint: ['/bin/sh', '-c'],
    cmd: ["trap '' TERM INT; while true; do sleep 1; done"],
  });
  await house.untilReady('deaf');
  await house.remove('deaf');
  expect((await tracesOf(house.place)).join('\n')).not.toContain('deaf');
});

test('ten instances at once all come up, each with an address of its own', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `crowd-${index}`);
  for (const name of names) await house.declareDemo(name, {});
  const crowd = await Promise.all(names.map((name) => house.untilReady(name)));
  expect(new Set(crowd.map(({ status }) => status.network?.ip)).size).toBe(10);
  expect(new Set(crowd.map(({ status }) => status.network?.mac)).size).toBe(10);
  for (const name of names) await house.remove(name);
  expect(await machinesOf(house.place)).toHaveLength(1);
});
