import { expect, test } from 'vitest';
import { processMemoryOf } from '../../../src/host/process-memory.ts';
import { identityOf, readBootId } from '../../../src/host/processes.ts';
import type { ProcessIdentity } from '../../../src/machine/machine.ts';

const bootId = await readBootId();
const here = await identityOf(process.pid, bootId);
const identity: ProcessIdentity = here ?? { pid: 0, startTime: 0, bootId };

test('what a process has in RAM is what it shares and what is its own', async () => {
  const memory = await processMemoryOf(identity, bootId);
  expect(memory).toBeDefined();
  const { residentBytes = 0, sharedBytes = 0, privateBytes = 0 } = memory ?? {};
  expect(residentBytes).toBe(sharedBytes + privateBytes);
  // A Node program, and the libraries that it has in common with its parent.
  expect(privateBytes).toBeGreaterThan(10 * 1024 * 1024);
  expect(residentBytes).toBeLessThan(100 * 1024 * 1024 * 1024);
});

test('what it writes to becomes its own', async () => {
  const before = await processMemoryOf(identity, bootId);
  const written = Buffer.alloc(64 * 1024 * 1024, 1);
  const after = await processMemoryOf(identity, bootId);
  expect(written[1]).toBe(1);
  const grown = (after?.privateBytes ?? 0) - (before?.privateBytes ?? 0);
  expect(grown).toBeGreaterThan(32 * 1024 * 1024);
});

test('a stranger with its pid is not it, and one that is gone has no memory', async () => {
  expect(await processMemoryOf({ ...identity, startTime: identity.startTime + 1 }, bootId)).toBeUndefined();
  expect(await processMemoryOf({ ...identity, bootId: 'earlier' }, bootId)).toBeUndefined();
  // Above the highest pid that a kernel gives (proc(5), pid_max: 2^22).
  expect(await processMemoryOf({ ...identity, pid: 2 ** 22 + 1 }, bootId)).toBeUndefined();
});
