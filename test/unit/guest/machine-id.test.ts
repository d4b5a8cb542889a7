import { expect, test } from 'vitest';
import { machineIdFor } from '../../../src/guest/machine-id.ts';
import { instanceId } from '../../../src/machine/ids.ts';

test('a machine id is a UUID of version 4 in form, the same for one instance and another for each', () => {
  const ids = ['a', 'b', 'tz4a98xxat96iws9zmbrgj3a'].map((id) => machineIdFor(instanceId(id)));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  expect(new Set(ids).size).toBe(ids.length);
  expect(machineIdFor(instanceId('a'))).toBe(ids[0]);
});
