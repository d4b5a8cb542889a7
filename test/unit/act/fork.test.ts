import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { cloneDisks, collectBases, freezeMachine, releaseSources } from '../../../src/act/fork.ts';
import type { Hands } from '../../../src/act/hands.ts';
import type { Base } from '../../../src/machine/base.ts';
import type { MemoryKeeper } from '../../../src/machine/driver.ts';
import type { GuestState } from '../../../src/machine/guest.ts';
import { instanceId, keyOf, nameOf } from '../../../src/machine/ids.ts';
import type { InstanceKey, SnapshotId } from '../../../src/machine/ids.ts';
import type { Forking, InstanceRecord } from '../../../src/machine/record.ts';
import { plan } from '../../../src/plan/plan.ts';
import { aBase, ASKERS, BASE_ID, SOURCE_ID, SOURCE_KEY, sourceWorld } from '../../support/fork-worlds.ts';
import { aRecord, IDENTITY, NOW, STARTED } from '../../support/worlds.ts';

const held: GuestState = { ...STARTED, identity: SOURCE_ID, held: true };
const freeze = plan(sourceWorld({ askers: ASKERS, guest: held })).actions.find(
  ({ kind }) => kind === 'freeze-machine',
);
if (freeze?.kind !== 'freeze-machine') throw new Error('nothing is frozen');

const { signal } = new AbortController();

type Freezing = (...asked: Parameters<MemoryKeeper['freeze']>) => Promise<{ pausedMs: number }>;

/** What was said to the guest, and how often it was looked for. */
function handsOn(guest: GuestState, freezing: Freezing, heldForMs?: number) {
  const said: string[] = [];
  let told = guest;
  let standsForMs = heldForMs;
  const links = {
    lastTold: () => told,
    heldForMs: () => standsForMs,
    hold: () => {
      said.push('hold');
      told = held;
      standsForMs = 0;
    },
    look: () => {
      said.push('look');
      return told;
    },
    release: () => {
      said.push('release');
      told = { ...STARTED, identity: SOURCE_ID };
    },
  };
  const hands = {
    links,
    forkTroubles: new Map(),
    snapshots: { basePaths: () => ({}), notePause: () => Promise.resolve() },
    drivers: { qemu: { memory: { freeze: freezing } } },
  } as unknown as Hands;
  return { hands, said };
}

describe('after a freezing', () => {
  const done = () => Promise.resolve({ pausedMs: 1 });

  test('a guest goes on, and that is waited for', async () => {
    const { hands, said } = handsOn(held, done);
    await freezeMachine(hands, freeze, signal);
    expect(said).toEqual(['look', 'release', 'look']);
  });

  test('that failed, it goes on too, and its forks are told why', async () => {
    const { hands, said } = handsOn(held, () => Promise.reject(new Error('the disk is full')));
    await expect(freezeMachine(hands, freeze, signal)).rejects.toThrow('the disk is full');
    expect(said).toContain('release');
    expect([...hands.forkTroubles.values()]).toEqual(['the disk is full']);
  });

  test.each([
    ['may have gone on by itself', 27_000],
    ['was held by nobody knows whom', undefined],
  ])('of a guest that %s nothing is kept, and it is asked again', async (_, heldForMs) => {
    const pausing: Freezing = (_machine, _base, { onPaused }) => {
      onPaused?.();
      return done();
    };
    const { hands, said } = handsOn(held, pausing, heldForMs);
    await expect(freezeMachine(hands, freeze, signal)).rejects.toMatchObject({ reason: 'HoldOver' });
    expect(said).toContain('release');
    const inTime = handsOn(held, pausing, 10_000);
    await expect(freezeMachine(inTime.hands, freeze, signal)).resolves.toBeUndefined();
  });

  test.each([
    ['that took long', 24_000],
    ['that an earlier controller began', undefined],
  ])('%s before the pause, the guest is let go and held anew', async (_, heldForMs) => {
    const freezing: Freezing = async (_machine, _base, { onReady, onPaused }) => {
      await onReady?.();
      onPaused?.();
      return done();
    };
    const { hands, said } = handsOn(held, freezing, heldForMs);
    await freezeMachine(hands, freeze, signal);
    expect(said).toEqual(['look', 'release', 'look', 'hold', 'look', 'release', 'look']);
    const inTime = handsOn(held, freezing, 10_000);
    await freezeMachine(inTime.hands, freeze, signal);
    expect(inTime.said).not.toContain('hold');
  });

  test('of one in standby nobody is spoken to, and nobody waited for', async () => {
    const { hands, said } = handsOn({ state: 'silent' }, done);
    await freezeMachine(hands, freeze, signal);
    expect(said).toEqual([]);
  });
});

test('disks are copied over what was left of an earlier try, and the overlay is there only when all are', async () => {
  const directory = await mkdtemp(`${tmpdir()}/fork-`);
  const [layer, overlay] = [`${directory}/layer.img`, `${directory}/overlay.img`];
  for (const path of [layer, overlay]) await writeFile(path, 'written to');
  const snapshots = {
    basePaths: () => ({ disks: directory }),
    cloneDisk: async (_: string, to: string) => {
      await expect(stat(to), 'nothing is in its place').rejects.toThrow('ENOENT');
      await expect(stat(overlay), 'nor is it whole yet').rejects.toThrow('ENOENT');
      await writeFile(to, 'as the base has it');
    },
  } as unknown as Hands['snapshots'];
  const disks = [
    { serial: 'layer0', path: layer, readonly: false },
    { serial: 'overlay', path: overlay, readonly: false },
  ];
  await cloneDisks({ snapshots }, { kind: 'clone-disks', base: BASE_ID, disks, owner: IDENTITY.owner });
  expect(await readFile(overlay, 'utf8')).toBe('as the base has it');
  await rm(directory, { recursive: true });
});

test('whoever may stand still for a fork is let go before the controller ends, but no fork as its source', () => {
  const named = (name: string, changes: Partial<InstanceRecord> = {}): InstanceRecord => {
    const record = aRecord({ key: keyOf('default', name), ...changes });
    return { ...record, identity: { ...record.identity, id: instanceId(name) } };
  };
  const told: Readonly<Record<string, GuestState>> = {
    held: { ...STARTED, held: true },
    asked: STARTED,
    alone: STARTED,
    away: { state: 'silent' },
    fork: { ...STARTED, held: true },
  };
  const waiting: Forking = { instance: SOURCE_KEY, source: SOURCE_ID, base: BASE_ID };
  const records = Object.keys(told).map((name) => named(name, name === 'fork' ? { fork: waiting } : {}));
  const released: string[] = [];
  releaseSources({
    storage: {
      records: () => records,
      forksOf: (key: InstanceKey) => (nameOf(key) === 'asked' ? records.slice(0, 1) : []),
    },
    links: {
      lastTold: (id: string) => told[id] ?? { state: 'silent' },
      release: (id: string) => released.push(id),
    },
  } as unknown as Hands);
  expect(released).toEqual(['held', 'asked']);
});

describe('a base', () => {
  const collected = (records: readonly InstanceRecord[], problems: readonly object[] = []) =>
    collectBases({
      storage: { records: () => records, problems: () => problems },
      snapshots: {
        collectBases: (isUsed: (id: SnapshotId, base: Base) => boolean) =>
          Promise.resolve([aBase()].filter((base) => !isUsed(base.id, base)).map(({ id }) => id)),
      },
    } as unknown as Hands);

  test.each([
    ['is taken by nobody, and waited for by nobody', {}, [BASE_ID]],
    ['a fork stands on', { source: SOURCE_ID, base: BASE_ID }, []],
    ['a fork waits for', { askedAt: NOW }, []],
    ['was there before a fork asked', { askedAt: NOW + 1 }, [BASE_ID]],
    ['is of another than a fork waits for', { instance: keyOf('default', 'other'), askedAt: NOW }, [BASE_ID]],
    ['is of the one that had the name before', { askedAt: NOW, askedOf: IDENTITY.id }, [BASE_ID]],
    ['a fork had that is itself by now', { askedAt: NOW, source: SOURCE_ID }, [BASE_ID]],
  ])('that %s', async (_, forking, gone) => {
    expect(await collected([aRecord({ fork: { instance: SOURCE_KEY, ...forking } })])).toEqual(gone);
  });

  test('that may be what a record needs that cannot be read is kept', async () => {
    expect(await collected([], [{ directory: '/there', message: 'it is not JSON' }])).toEqual([]);
  });
});
