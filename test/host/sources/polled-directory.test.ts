import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { needsPolling, pollDirectory } from '../../../src/sources/directory/polled-directory.ts';
import { eventually } from '../../support/controller-process.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/hypeman-polled-`);
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('where the kernel tells nothing, chokidar asks: writes, renames and removals are heard by name', async () => {
  const heard: (string | undefined)[] = [];
  await writeFile(`${directory}/there.yaml`, 'a: 1');
  const watch = pollDirectory(directory, (name) => heard.push(name), 50);
  const until = (name: string | undefined): Promise<unknown> =>
    eventually(
      `heard of ${name ?? 'everything'}`,
      () => Promise.resolve(heard.includes(name)),
      (isHeard) => isHeard,
      5_000,
    );
  await until(undefined);
  await writeFile(`${directory}/new.yaml`, 'a: 1');
  await until('new.yaml');
  await writeFile(`${directory}/.there.yaml.tmp`, 'a: 22');
  await rename(`${directory}/.there.yaml.tmp`, `${directory}/there.yaml`);
  await until('there.yaml');
  heard.length = 0;
  await rm(`${directory}/new.yaml`);
  await until('new.yaml');
  watch.close();
});

test('a local disk tells by itself', () => {
  expect(needsPolling(directory)).toBe(false);
});
