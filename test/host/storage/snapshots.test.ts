import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cloneFile } from '../../../src/host/clone-file.ts';
import { commandOutput } from '../../../src/host/exec.ts';
import { commitSnapshot, openDraft } from '../../../src/host/snapshot-files.ts';
import { instanceId, snapshotId } from '../../../src/machine/ids.ts';
import { pathsFor } from '../../../src/machine/paths.ts';
import type { SnapshotPaths } from '../../../src/machine/snapshot-paths.ts';
import { openSnapshots } from '../../../src/storage/open-snapshots.ts';
import { openStorage } from '../../../src/storage/open-storage.ts';
import type { Snapshots } from '../../../src/storage/snapshots.ts';
import { withFilesystem } from '../../support/loop-filesystem.ts';
import { freshRecord, ORIGIN } from '../../support/records.ts';

const MIB = 1024 ** 2;
const { id, owner } = freshRecord('web').identity;
const base = snapshotId('base');
const all = (): boolean => true;
const none = (): boolean => false;
const memory = {
  writer: { hypervisor: 'qemu', version: '7.2.22', accelerator: 'tcg' },
  shape: { vcpus: 1, memoryBytes: MIB, disks: [], hasNic: false },
} as const;

let state: string;
let source: string;
const open = (bootId = 'boot', now?: () => number): Snapshots =>
  openSnapshots({ roots: { state, run: state }, bootId, ...(now === undefined ? {} : { now }) });
const fill = (directory: string): Promise<void> =>
  open().fillBase(
    directory,
    [
      { serial: 'root', path: '/nowhere/root.erofs', readonly: true },
      { serial: 'overlay', path: source, readonly: false },
    ],
    ORIGIN,
  );
const fillNothing = (): Promise<void> => Promise.resolve();

beforeEach(async () => {
  state = await mkdtemp(`${tmpdir()}/hypeman-snapshots-`);
  source = await sparseFile(`${state}/source.img`);
});
afterEach(async () => {
  await rm(state, { recursive: true, force: true });
});

/** 64 MiB of which one MiB at the start and one in the middle are there. */
async function sparseFile(path: string): Promise<string> {
  await writeFile(path, Buffer.alloc(MIB, 7));
  await truncate(path, 64 * MIB);
  await commandOutput('dd', [
    ...['if=/dev/urandom', `of=${path}`, 'bs=1M', 'count=1', 'seek=32', 'conv=notrunc', 'status=none'],
  ]);
  return path;
}

async function allocated(path: string): Promise<number> {
  return (await stat(path)).blocks * 512;
}

async function snapshotIn(paths: SnapshotPaths, bootId = 'boot'): Promise<void> {
  const draft = await openDraft(paths);
  await writeFile(draft.memory, 'memory');
  await writeFile(draft.deviceState, 'devices');
  await commitSnapshot(draft, paths, { words: { version: 1, source: id, createdAt: 1, memory }, bootId });
}

describe('a copy of a disk', () => {
  test.each(['xfs', 'btrfs'] as const)('shares its blocks on %s', async (kind) => {
    await withFilesystem(kind, state, async (mounted) => {
      const snapshots = openSnapshots({ roots: { state: mounted, run: mounted }, bootId: 'boot' });
      expect(await snapshots.cloneMethod()).toBe('reflink');
      const from = await sparseFile(`${mounted}/from.img`);
      await commandOutput('sync', ['-f', mounted]);
      await snapshots.cloneDisk(from, `${mounted}/to.img`, owner);
      await commandOutput('cmp', [from, `${mounted}/to.img`]);
      expect(await commandOutput('filefrag', ['-v', `${mounted}/to.img`])).toContain('shared');
    });
  });

  test('keeps every hole where blocks cannot be shared', async () => {
    await withFilesystem('ext4', state, async (mounted) => {
      const snapshots = openSnapshots({ roots: { state: mounted, run: mounted }, bootId: 'boot' });
      expect(await snapshots.cloneMethod()).toBe('sparse-copy');
      const from = await sparseFile(`${mounted}/from.img`);
      await snapshots.cloneDisk(from, `${mounted}/to.img`, owner);
      await commandOutput('cmp', [from, `${mounted}/to.img`]);
      expect(await allocated(`${mounted}/to.img`)).toBeLessThanOrEqual(3 * MIB);
    });
  });

  test('leaves nothing of the trial behind', async () => {
    await open().cloneMethod();
    expect(await readdir(`${state}/snapshots`)).toEqual([]);
  });

  test("is its VMM's alone, and one that is there is left as it is", async () => {
    const to = `${state}/fork.img`;
    await open().cloneDisk(source, to, owner);
    const made = await stat(to);
    expect(made).toMatchObject({ uid: owner.uid, gid: owner.gid, size: 64 * MIB });
    expect(made.mode & 0o777).toBe(0o600);
    await writeFile(to, 'written to');
    await open().cloneDisk(source, to, owner);
    expect(await readFile(to, 'utf8')).toBe('written to');
  });

  test('that does not fit says where room is missing, and leaves nothing', async () => {
    await withFilesystem('ext4', state, async (mounted) => {
      const from = `${state}/big.img`;
      await commandOutput('dd', ['if=/dev/urandom', `of=${from}`, 'bs=1M', 'count=64', 'status=none']);
      await commandOutput('fallocate', ['-l', '320M', `${mounted}/ballast`]);
      const cloning = cloneFile(from, `${mounted}/to.img`);
      await expect(cloning).rejects.toMatchObject({ reason: 'DiskFull', fate: 'transient' });
      await expect(open().cloneDisk(from, `${mounted}/disk.img`, owner)).rejects.toMatchObject({
        reason: 'DiskFull',
      });
      expect(await readdir(mounted)).toEqual(['ballast', 'lost+found']);
    });
  });
});

describe('a base', () => {
  test('of a stopped machine has its writable disks and nothing else, and outlives it', async () => {
    const snapshots = open();
    await snapshots.freezeDisks(base, id, fill);
    await rm(source);
    expect(await snapshots.base(base)).toMatchObject({ state: 'ready', isSettled: false });
    const { disks: frozen } = snapshots.basePaths(base);
    expect(await readdir(frozen)).toEqual(['origin.json', 'overlay.img']);
    expect(await allocated(`${frozen}/overlay.img`)).toBeLessThanOrEqual(3 * MIB);
    await snapshots.cloneDisk(`${frozen}/overlay.img`, `${state}/fork.img`, owner);
    expect((await stat(`${state}/fork.img`)).size).toBe(64 * MIB);
  });

  test('that is there is left as it is', async () => {
    const snapshots = open();
    await snapshots.freezeDisks(base, id, fill);
    const before = await snapshots.base(base);
    await snapshots.freezeDisks(base, instanceId('another'), fillNothing);
    expect(await snapshots.base(base)).toEqual(before);
  });

  test('is kept while it is used, and collected when it is not', async () => {
    const snapshots = open();
    await snapshots.freezeDisks(base, id, fill);
    expect(await snapshots.bases()).toMatchObject([{ id: base, manifest: { source: id }, origin: ORIGIN }]);
    await snapshots.notePause(base, 12.5);
    expect(await snapshots.bases()).toMatchObject([{ origin: { ...ORIGIN, sourcePauseMs: 12.5 } }]);
    expect(await snapshots.collectBases(all)).toEqual([]);
    expect(await snapshots.collectBases(none)).toEqual([snapshots.basePaths(base).directory]);
    expect(await snapshots.base(base)).toEqual({ state: 'absent' });
  });

  test('in the making is left alone until nobody wrote to it for ten minutes', async () => {
    const draft = await openDraft(open().basePaths(base));
    await mkdir(draft.disks);
    await writeFile(`${draft.disks}/overlay.img`, 'half a disk');
    expect(await open().collectBases(none)).toEqual([]);
    const later = open('boot', () => Date.now() + 11 * 60_000);
    expect(await later.collectBases(all)).toEqual([draft.directory]);
  });

  test('that could not be made leaves nothing', async () => {
    await rm(source);
    await expect(open().freezeDisks(base, id, fill)).rejects.toThrow();
    expect(await readdir(`${state}/snapshots`)).toEqual([]);
  });

  test('killed at any moment, a freezing, a fork or a collection leaves whole bases and an unchanged source', async () => {
    const before = await commandOutput('sha256sum', [source]);
    for (let times = 0; times < 25; times += 1) {
      await killedAfter(Math.random() * 60);
      const snapshots = open('boot', () => Date.now() + 11 * 60_000);
      for (const name of (await readdir(`${state}/snapshots`)).filter((entry) => !entry.startsWith('.'))) {
        const seen = await snapshots.base(snapshotId(name));
        if (seen.state === 'absent') continue;
        expect(seen.state).toBe('ready');
        await commandOutput('cmp', [source, `${snapshots.basePaths(snapshotId(name)).disks}/overlay.img`]);
      }
      await snapshots.collectBases(none);
      expect(await readdir(`${state}/snapshots`)).toEqual([]);
    }
    expect(await commandOutput('sha256sum', [source])).toBe(before);
  });

  /** From the first base on, so that the time falls on the work and not on the start of Node. */
  async function killedAfter(ms: number): Promise<void> {
    const script = new URL('../../support/fork-forever.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [script, state, source], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exit = once(child, 'exit');
    await once(child.stdout, 'data');
    await sleep(ms);
    child.kill('SIGKILL');
    await exit;
  }
});

describe('a standby', () => {
  const standby = (): SnapshotPaths => pathsFor({ state, run: state }, id).standby;
  beforeEach(async () => {
    await mkdir(pathsFor({ state, run: state }, id).directory, { recursive: true });
  });

  test('that was never settled is void after the host went down, and good as long as it is up', async () => {
    await snapshotIn(standby());
    expect(await open().standby(id)).toMatchObject({ state: 'ready', isSettled: false });
    expect(await open('next boot').standby(id)).toMatchObject({ state: 'void' });
  });

  test('that was settled is good after any reboot', async () => {
    await snapshotIn(standby());
    await open().settleStandby(id);
    await open().settleStandby(id);
    expect(await open('next boot').standby(id)).toMatchObject({ state: 'ready', isSettled: true });
  });

  test('that there is none of is settled and discarded without a word', async () => {
    await open().settleStandby(id);
    await open().discardStandby(id);
    expect(await open().standby(id)).toEqual({ state: 'absent' });
  });

  test.each([
    ['memory was written to', () => writeFile(standby().memory, 'other words')],
    ['memory is missing', () => rm(standby().memory)],
    ['device state is missing', () => rm(standby().deviceState)],
    ['manifest', () => writeFile(standby().manifest, '{"version":1,')],
    ['manifest', () => writeFile(standby().manifest, '{"version":2}')],
  ])('whose %s is not right is void and says why', async (why, damage) => {
    await snapshotIn(standby());
    await damage();
    expect(await open().standby(id)).toMatchObject({
      state: 'void',
      why: expect.stringContaining(why) as string,
    });
  });

  test('whose removal was cut short is no standby, and is collected', async () => {
    const storage = await openStorage({ roots: { state, run: state }, now: () => Date.now() + 11 * 60_000 });
    await storage.writeRecord(freshRecord('web'));
    await snapshotIn(standby());
    expect(await storage.collect()).toEqual([]);
    await rm(standby().manifest);
    expect(await open().standby(id)).toEqual({ state: 'absent' });
    expect(await storage.collect()).toEqual([standby().directory]);
  });
});
