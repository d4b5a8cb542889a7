import { expect, test } from 'vitest';
import type { MachineState } from '../../src/machine/machine.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import { vmmProcessOf } from '../../src/vmm-process.ts';
import { KEY, PROCESS, RUNNING, aRecord, aRun } from '../support/worlds.ts';

function seen(machine: MachineState, record?: InstanceRecord): ReturnType<typeof vmmProcessOf> {
  const storage = { recordOf: () => record };
  const drivers = { qemu: { observe: () => Promise.resolve(machine) } };
  return vmmProcessOf({ roots: { state: '/state', run: '/run' }, storage, drivers }, KEY);
}

const ONCE_RUN = aRecord({ run: aRun() });

test('the process of a machine is what its driver sees, in whatever state', async () => {
  expect(await seen(RUNNING, ONCE_RUN)).toEqual(PROCESS);
  expect(await seen({ state: 'unknown', process: PROCESS, error: 'silent' }, ONCE_RUN)).toEqual(PROCESS);
});

test('without a machine there is none: stopped, in standby, never run, or unheard of', async () => {
  expect(await seen({ state: 'absent' }, ONCE_RUN)).toBeUndefined();
  expect(await seen(RUNNING, aRecord())).toBeUndefined();
  expect(await seen(RUNNING)).toBeUndefined();
});
