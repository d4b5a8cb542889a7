import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from '../../../src/host/exec.ts';
import { pathsFor } from '../../../src/machine/paths.ts';
import type { Roots } from '../../../src/machine/paths.ts';
import { openStorage } from '../../../src/storage/open-storage.ts';
import { freshRecord } from '../../support/records.ts';

let roots: Roots;
beforeEach(async () => {
  const directory = await mkdtemp(`${tmpdir()}/hypeman-storage-`);
  roots = { state: `${directory}/state`, run: `${directory}/run` };
});
afterEach(async () => {
  await rm(roots.state.replace(/\/state$/, ''), { recursive: true, force: true });
});

const web = freshRecord('web');
const { id, owner } = web.identity;

describe('records', () => {
  test('survive the controller', async () => {
    const before = await openStorage({ roots });
    await before.writeRecord(web);
    await before.writeRecord({ ...web, restarts: 3 });
    const after = await openStorage({ roots });
    expect(after.records()).toEqual([{ ...web, restarts: 3 }]);
    expect(after.recordOf(web.key)?.restarts).toBe(3);
    expect(after.problems()).toEqual([]);
  });

  test('are read by root alone, in a directory that only its VMM may enter', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(web);
    const directory = await stat(pathsFor(roots, id).directory);
    expect([directory.uid, directory.gid, directory.mode & 0o777]).toEqual([0, owner.gid, 0o750]);
    const file = await stat(pathsFor(roots, id).record);
    expect([file.uid, file.mode & 0o777]).toEqual([0, 0o600]);
    const asVmm = await asUser(owner.uid, owner.gid, ['cat', pathsFor(roots, id).record]);
    expect(asVmm).not.toBe(0);
  });

  test('that cannot be read are reported, keep the others working, and are never collected', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(web);
    const bad = `${roots.state}/instances/broken`;
    await mkdir(bad);
    await writeFile(`${bad}/record.json`, '{"version": 1,');
    const again = await openStorage({ roots });
    expect(again.records()).toEqual([web]);
    expect(again.problems()).toEqual([
      { directory: bad, message: expect.stringContaining('it is not JSON') as string },
    ]);
    expect(await again.collect()).toEqual([]);
    expect(await readdir(bad)).toEqual(['record.json']);
  });

  test('of one key in two directories: the older stays in force, the other is reported, none is lost', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(web);
    const twin = { ...freshRecord('twin', { createdAt: web.createdAt + 1 }), key: web.key };
    await mkdir(pathsFor(roots, twin.identity.id).directory);
    await writeFile(pathsFor(roots, twin.identity.id).record, JSON.stringify(twin));
    const again = await openStorage({ roots });
    expect(again.recordOf(web.key)).toEqual(web);
    expect(again.problems().map((problem) => problem.directory)).toEqual([
      pathsFor(roots, twin.identity.id).directory,
    ]);
    expect(await again.collect()).toEqual([]);
  });

  test('do not change hands: another id under the same key is refused until the first is forgotten', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(web);
    const thief = { ...freshRecord('thief'), key: web.key };
    await expect(storage.writeRecord(thief)).rejects.toMatchObject({ reason: 'RecordInUse' });
    await storage.forget(web.key, id);
    await storage.writeRecord(thief);
    expect(storage.records()).toEqual([thief]);
  });

  test('forgotten leave nothing, and forgetting twice is fine', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(web);
    await storage.createOverlay(id, 64 * 1024 ** 2, owner);
    await storage.forget(web.key, id);
    await storage.forget(web.key, id);
    expect(await readdir(`${roots.state}/instances`)).toEqual([]);
    expect(storage.recordOf(web.key)).toBeUndefined();
    expect((await openStorage({ roots })).records()).toEqual([]);
  });
});

describe('collecting', () => {
  test('takes directories without a record and old temporary files, and nothing else', async () => {
    const storage = await openStorage({ roots });
    await storage.writeRecord(web);
    const { directory } = pathsFor(roots, id);
    await mkdir(`${roots.state}/instances/orphan`);
    await writeFile(`${roots.state}/instances/orphan/overlay.img`, 'x');
    const names = ['.overlay.old', '.overlay.new', 'console.log'];
    for (const name of names) await writeFile(`${directory}/${name}`, 'x');
    await utimes(`${directory}/.overlay.old`, 1, 1);
    await utimes(`${directory}/console.log`, 1, 1);
    expect(await storage.collect()).toEqual(
      [`${roots.state}/instances/orphan`, `${directory}/.overlay.old`].sort(byPlace),
    );
    expect((await readdir(directory)).sort()).toEqual(['.overlay.new', 'console.log', 'record.json']);
  });

  test('with no state directory yet finds nothing', async () => {
    expect(await (await openStorage({ roots })).collect()).toEqual([]);
  });
});

function byPlace(a: string, b: string): number {
  return a < b ? -1 : 1;
}

async function asUser(uid: number, gid: number, command: readonly string[]): Promise<number> {
  const become = ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups'];
  return (await runCommand('setpriv', [...become, ...command])).exitCode;
}
