import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { directoryIdOf } from '../../../src/storage/directory-id.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(`${tmpdir()}/hm-id-`);
});
afterEach(() => rm(base, { recursive: true }));

const idOf = (state: string): Promise<string> => directoryIdOf({ state, run: '/nowhere' });

test('a state directory keeps its id wherever it goes, and an empty one has its own', async () => {
  const first = await mkdtemp(`${base}/state-`);
  const id = await idOf(first);
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(await idOf(first)).toBe(id);
  await cp(first, `${base}/moved`, { recursive: true });
  expect(await idOf(`${base}/moved`)).toBe(id);
  expect(await idOf(await mkdtemp(`${base}/state-`))).not.toBe(id);
});
