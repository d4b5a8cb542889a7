import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { inheritanceOf } from '../../../src/api/inheritance.ts';
import type { Inheritance } from '../../../src/api/inheritance.ts';
import { keyOf } from '../../../src/machine/ids.ts';
import { pathsFor } from '../../../src/machine/paths.ts';
import type { Roots } from '../../../src/machine/paths.ts';
import { openStorage } from '../../../src/storage/open-storage.ts';
import { secrets } from '../../support/forks.ts';
import { freshRecord } from '../../support/records.ts';
import { anInstance } from '../../support/worlds.ts';

let roots: Roots;
beforeEach(async () => {
  const directory = await mkdtemp(`${tmpdir()}/hypeman-inheritances-`);
  roots = { state: directory, run: directory };
});
afterEach(async () => {
  await rm(roots.state, { recursive: true, force: true });
});

const BASE = keyOf('default', 'base');
const copy = freshRecord('copy', { fork: { instance: BASE } });
const { id } = copy.identity;

const LEFT: Inheritance = inheritanceOf(
  anInstance({
    image: 'nginx',
    network: { enabled: true, downloadBps: 7, egress: { enabled: true, mode: 'all' } },
    credentials: {
      TOKEN: {
        sourceEnv: 'TOKEN',
        inject: [{ hosts: ['api.example.com'], header: 'X', format: '${value}', when: 'always' }],
      },
    },
    volumes: [{ volume: 'data', mountPath: '/mnt', readonly: true, overlay: true, overlayBytes: 2 ** 30 }],
  }),
  secrets({ TOKEN: 'the-real-value', PORT: '80', 'my.key-1': '', __proto: 'x' }),
  'Standby',
);

function revealed({ env }: Inheritance): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value.reveal()]));
}

describe('what a fork was left', () => {
  test('survives the controller, and is root’s alone', async () => {
    const before = await openStorage({ roots });
    await before.writeRecord(copy);
    await before.keepInheritance(copy.key, LEFT);
    expect(before.inheritanceOf(copy.key)).toBe(LEFT);
    const after = (await openStorage({ roots })).inheritanceOf(copy.key);
    expect(after).toEqual(LEFT);
    expect(after === undefined ? {} : revealed(after)).toEqual({ PORT: '80', 'my.key-1': '', __proto: 'x' });
    const { uid, mode } = await stat(pathsFor(roots, id).inheritance);
    expect([uid, mode & 0o777]).toEqual([0, 0o600]);
  });

  test('has no secret of the source in its file, not even when it is given one', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(copy);
    await storage.keepInheritance(copy.key, {
      ...LEFT,
      env: secrets({ TOKEN: 'the-real-value', PORT: '80' }),
    });
    const text = await readFile(pathsFor(roots, id).inheritance, 'utf8');
    expect(text).toContain('"PORT": "80"');
    expect(text).not.toContain('the-real-value');
  });

  test('goes with the fork', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(copy);
    await storage.keepInheritance(copy.key, LEFT);
    await storage.forget(copy.key, id);
    expect(storage.inheritanceOf(copy.key)).toBeUndefined();
    expect(await readdir(`${roots.state}/instances`)).toEqual([]);
  });

  test('is kept for a fork on record only', async () => {
    const storage = await openStorage({ roots });
    await expect(storage.keepInheritance(copy.key, LEFT)).rejects.toMatchObject({ fate: 'bug' });
  });

  test.each([
    ['cut off', (text: string): string => text.slice(0, -30)],
    ['without its egress', (text: string): string => text.replace('"mode": "all"', '"mode": "some"')],
    ['of another fork', (text: string): string => text.replace('"default/copy"', '"default/other"')],
    ['of a later version', (text: string): string => text.replace('"version": 1', '"version": 2')],
  ])('in a file %s is not used and told of; record and file stay', async (_how, spoilt) => {
    const { inheritance: path, directory } = pathsFor(roots, id);
    const before = await openStorage({ roots });
    await before.writeRecord(copy);
    await before.keepInheritance(copy.key, LEFT);
    const bad = spoilt(await readFile(path, 'utf8'));
    await writeFile(path, bad);
    const after = await openStorage({ roots });
    expect(after.inheritanceOf(copy.key)).toBeUndefined();
    expect(after.recordOf(copy.key)).toEqual(copy);
    expect(after.problems()).toEqual([{ directory, message: expect.stringContaining(path) as string }]);
    expect(JSON.stringify(after.problems())).not.toContain('80"');
    expect(await after.collect()).toEqual([]);
    expect(await readFile(path, 'utf8')).toBe(bad);
    await after.forget(copy.key, id);
    expect(after.problems()).toEqual([]);
  });
});

describe('the forks of an instance', () => {
  test('are those on record as such, now and after a restart of the controller', async () => {
    const storage = await openStorage({ roots });
    const brother = freshRecord('brother', { fork: { instance: BASE } });
    for (const record of [copy, brother, freshRecord('base')]) await storage.writeRecord(record);
    const namesIn = (one: typeof storage): readonly string[] =>
      one
        .forksOf(BASE)
        .map(({ key }) => key)
        .sort();
    expect(namesIn(storage)).toEqual(['default/brother', 'default/copy']);
    expect(namesIn(await openStorage({ roots }))).toEqual(['default/brother', 'default/copy']);
    await storage.writeRecord({ ...brother, fork: { instance: copy.key } });
    expect(storage.forksOf(copy.key).map(({ key }) => key)).toEqual(['default/brother']);
    await storage.forget(copy.key, id);
    expect(storage.forksOf(BASE)).toEqual([]);
  });
});
