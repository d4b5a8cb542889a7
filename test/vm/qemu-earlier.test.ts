import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openQemuDriver } from '../../src/drivers/qemu/driver.ts';
import { argumentsOf } from '../../src/host/processes.ts';
import type { Driver, MemoryKeeper } from '../../src/machine/driver.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { SHARED_GID } from '../../src/machine/owner.ts';
import { openQemuStage } from '../support/qemu-stage.ts';
import type { QemuStage } from '../support/qemu-stage.ts';

/** QEMU as it was started before there was a file that tells a guest its name. */
const WITHOUT_FW_CFG = `#!/bin/bash
kept=()
while (($#)); do
  if [[ $1 == -fw_cfg ]]; then shift 2; continue; fi
  kept+=("$1"); shift
done
exec qemu-system-x86_64 "\${kept[@]}"
`;

const signal = new AbortController().signal;
const noDisks = { copyDisks: () => Promise.resolve() };
let stage: QemuStage;
let earlier: Driver;

beforeAll(async () => {
  stage = await openQemuStage();
  const program = `${stage.base}/earlier-qemu`;
  await writeFile(program, WITHOUT_FW_CFG, { mode: 0o755 });
  earlier = openQemuDriver({
    ...{
      program,
      bootId: stage.bootId,
      accelerator: 'tcg',
      sharedGid: SHARED_GID,
      onChange: () => undefined,
    },
    acceleratorCache: `${stage.base}/accelerator.json`,
    kernelPath: () => Promise.resolve(undefined),
  });
});
afterAll(async () => {
  await earlier.close();
  await stage.close();
});

function keeperOf({ memory }: Driver): MemoryKeeper {
  if (memory === undefined) throw new Error('this driver keeps no memory');
  return memory;
}

async function counted(machine: Machine, past: number): Promise<number> {
  await expect.poll(() => stage.countOf(machine), { timeout: 60_000, interval: 50 }).toBeGreaterThan(past);
  return stage.countOf(machine);
}

async function isNamed(machine: Machine): Promise<boolean> {
  const [pid = 0] = await stage.pidsOf(machine);
  return (await argumentsOf(pid)).includes('-fw_cfg');
}

test('what an earlier version kept of a machine goes on, there and in forks, and back again', async () => {
  const machine = await stage.keptMachine();
  await earlier.start(machine, signal);
  expect(await isNamed(machine)).toBe(false);
  const base = stage.newBase();
  await counted(machine, 5);
  await keeperOf(earlier).freeze(machine, base, noDisks, signal);
  const before = await counted(machine, 5);
  await keeperOf(earlier).suspend(machine, signal);
  await keeperOf(stage.driver()).restore(machine, { kind: 'standby' }, signal);
  const fork = await stage.forkOf(machine);
  await keeperOf(stage.driver()).restore(fork, { kind: 'base', base }, signal);
  expect([await isNamed(machine), await isNamed(fork)]).toEqual([true, true]);
  const after = await counted(machine, before);
  await counted(fork, 5);
  await keeperOf(stage.driver()).suspend(machine, signal);
  await keeperOf(earlier).restore(machine, { kind: 'standby' }, signal);
  await counted(machine, after);
  for (const each of [machine, fork]) await stage.driver().kill(each, signal);
});
