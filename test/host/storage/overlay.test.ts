import { readFile, readdir, rm, mkdir, mkdtemp, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { pathsFor } from '../../../src/machine/paths.ts';
import type { Roots } from '../../../src/machine/paths.ts';
import { openStorage } from '../../../src/storage/open-storage.ts';
import type { Storage } from '../../../src/storage/storage.ts';
import { freshRecord } from '../../support/records.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const { id, owner } = freshRecord('web').identity;

let roots: Roots;
let storage: Storage;
let overlay: string;
beforeEach(async () => {
  const directory = await mkdtemp(`${tmpdir()}/hypeman-overlay-`);
  roots = { state: directory, run: `${directory}/run` };
  storage = await openStorage({ roots });
  await storage.writeRecord(freshRecord('web'));
  overlay = pathsFor(roots, id).overlay;
});
afterEach(async () => {
  await rm(roots.state, { recursive: true, force: true });
});

async function ext4Bytes(path: string): Promise<number> {
  const header = await commandOutput('dumpe2fs', ['-h', path]);
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(header)?.[1]);
  return field('Block count') * field('Block size');
}

describe('an overlay', () => {
  test("of 10 GiB is a clean ext4 of that size that takes a few MiB, and is its VMM's alone", async () => {
    await storage.createOverlay(id, 10 * GIB, owner);
    expect(await storage.overlayBytes(id)).toBe(10 * GIB);
    expect(await ext4Bytes(overlay)).toBe(10 * GIB);
    const file = await stat(overlay);
    expect(file.blocks * 512).toBeLessThan(16 * MIB);
    expect([file.uid, file.gid, file.mode & 0o777]).toEqual([owner.uid, owner.gid, 0o600]);
    expect((await runCommand('e2fsck', ['-f', '-n', overlay])).exitCode).toBe(0);
  });

  test.each([16 * MIB, 100 * MIB, 513 * MIB, GIB + 1])('of %i bytes holds at least that', async (bytes) => {
    await storage.createOverlay(id, bytes, owner);
    expect(await storage.overlayBytes(id)).toBeGreaterThanOrEqual(bytes);
    expect((await runCommand('e2fsck', ['-f', '-n', overlay])).exitCode).toBe(0);
  });

  test('that is there is never made again', async () => {
    await storage.createOverlay(id, 64 * MIB, owner);
    const before = (await stat(overlay)).ino;
    await storage.createOverlay(id, 128 * MIB, owner);
    expect((await stat(overlay)).ino).toBe(before);
    expect(await storage.overlayBytes(id)).toBe(64 * MIB);
  });

  test('keeps what is in it when it grows, and never shrinks', async () => {
    await storage.createOverlay(id, 64 * MIB, owner);
    await writeFile(`${roots.state}/letter`, 'dear guest');
    await commandOutput('debugfs', ['-w', '-R', `write ${roots.state}/letter letter`, overlay]);
    await storage.growOverlay(id, 3 * GIB);
    expect(await storage.overlayBytes(id)).toBe(3 * GIB);
    expect(await ext4Bytes(overlay)).toBe(3 * GIB);
    expect(await commandOutput('debugfs', ['-R', 'cat letter', overlay])).toBe('dear guest');
    await storage.growOverlay(id, GIB);
    expect(await storage.overlayBytes(id)).toBe(3 * GIB);
    expect((await readdir(pathsFor(roots, id).directory)).sort()).toEqual(['overlay.img', 'record.json']);
  });

  test('whose growing was cut short still has its old size, and grows when asked again', async () => {
    await storage.createOverlay(id, 64 * MIB, owner);
    await writeFile(`${overlay}.growing`, `${64 * MIB}`);
    await truncate(overlay, GIB);
    expect(await storage.overlayBytes(id)).toBe(64 * MIB);
    await storage.growOverlay(id, GIB);
    expect(await storage.overlayBytes(id)).toBe(GIB);
    expect(await ext4Bytes(overlay)).toBe(GIB);
  });

  test('that fsck cannot mend is left as it is and the repair is named', async () => {
    await storage.createOverlay(id, 64 * MIB, owner);
    await commandOutput('debugfs', ['-w', '-R', 'clri <2>', overlay]);
    await expect(storage.growOverlay(id, GIB)).rejects.toMatchObject({
      reason: 'OverlayDamaged',
      message: expect.stringContaining(`e2fsck ${overlay}`) as string,
    });
    expect(await storage.overlayBytes(id)).toBe(64 * MIB);
  });

  test('removed is gone, and removing it twice is fine', async () => {
    await storage.createOverlay(id, 64 * MIB, owner);
    await storage.removeOverlay(id);
    await storage.removeOverlay(id);
    expect(await storage.overlayBytes(id)).toBeUndefined();
  });
});

describe('on a full disk', () => {
  let mounted: string;
  beforeEach(async () => {
    mounted = `${roots.state}/small`;
    await mkdir(mounted);
    await commandOutput('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted]);
  });
  afterEach(async () => {
    await commandOutput('umount', [mounted]);
  });

  test('making an overlay says which disk is full and leaves nothing half-made', async () => {
    const small = await openStorage({ roots: { state: mounted, run: mounted } });
    await small.writeRecord(freshRecord('web'));
    await writeFile(`${mounted}/ballast`, Buffer.alloc(900 * 1024));
    const { directory } = pathsFor({ state: mounted, run: mounted }, id);
    await expect(small.createOverlay(id, GIB, owner)).rejects.toMatchObject({
      fate: 'transient',
      reason: 'DiskFull',
      message: expect.stringContaining(mounted) as string,
    });
    expect(await readdir(directory)).toEqual(['record.json']);
    expect(await small.overlayBytes(id)).toBeUndefined();
  });

  test('a record that cannot be written leaves the old one in force', async () => {
    const small = await openStorage({ roots: { state: mounted, run: mounted } });
    await small.writeRecord(freshRecord('web'));
    await runCommand('dd', ['if=/dev/zero', `of=${mounted}/ballast`, 'bs=4k']);
    const long = freshRecord('web', { restartedAt: 'x'.repeat(8192) });
    await expect(small.writeRecord(long)).rejects.toMatchObject({ reason: 'DiskFull' });
    expect(small.recordOf(long.key)).toEqual(freshRecord('web'));
    const path = pathsFor({ state: mounted, run: mounted }, id).record;
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(freshRecord('web'));
  });
});
