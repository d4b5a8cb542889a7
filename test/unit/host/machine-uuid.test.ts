import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readMachineUuid } from '../../../src/host/machine-uuid.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/hm-dmi-`);
});
afterEach(() => rm(directory, { recursive: true }));

const UUID = '4C4C4544-0042-3510-8052-C4C04F4E3232';
const say = (name: string, text: string): Promise<void> => writeFile(`${directory}/${name}`, `${text}\n`);

test('a machine is told by its firmware, the same each time, and does not give its serials away', async () => {
  await say('product_uuid', UUID);
  await say('product_serial', 'SN-1');
  const first = await readMachineUuid(directory);
  expect(first).toMatch(/^[0-9a-f]{16}$/);
  await say('product_uuid', UUID.toLowerCase());
  expect(await readMachineUuid(directory)).toBe(first);
  await say('product_serial', 'SN-2');
  expect(await readMachineUuid(directory)).not.toBe(first);
});

test.each(['', '00000000-0000-0000-0000-000000000000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'])(
  'firmware that says %j tells no machine from its clone',
  async (uuid) => {
    await say('product_uuid', uuid);
    expect(await readMachineUuid(directory)).toBeUndefined();
  },
);

test('nor does a machine without any', async () => {
  expect(await readMachineUuid(directory)).toBeUndefined();
});
