import { expect, test } from 'vitest';
import type { VolumeMount } from '../../../src/api/instance.ts';
import { keyOf, volumeId, volumeKeyOf } from '../../../src/machine/ids.ts';
import { foresee } from '../../../src/plan/foresee.ts';
import { plan } from '../../../src/plan/plan.ts';
import { statusOf } from '../../../src/plan/status.ts';
import type { VolumeSeen } from '../../../src/plan/volumes.ts';
import type { World } from '../../../src/plan/world.ts';
import { keptMemoryOf, standbyWorld } from '../../support/standby-worlds.ts';
import {
  aRecord,
  aRun,
  freshWorld,
  imageOf,
  NOW,
  pinned,
  PROCESS,
  runningWorld,
  wanted,
} from '../../support/worlds.ts';

const MIB = 1024 ** 2;
const MOUNT: VolumeMount = { volume: 'data', mountPath: '/mnt/data', readonly: false, overlay: false };
const LAYERED: VolumeMount = { ...MOUNT, readonly: true, overlay: true, overlayBytes: 64 * MIB };
const WISH = {
  id: volumeId('v'.repeat(24)),
  key: volumeKeyOf('default', 'data'),
  bytes: 64 * MIB,
  reclaimPolicy: 'Retain',
} as const;
const DISK = { state: 'ready', id: WISH.id, path: '/state/volumes/v/disk.img', bytes: 64 * MIB } as const;

function seen(changes: Partial<VolumeSeen> = {}): { data: VolumeSeen } {
  return { data: { declared: { is: 'wanted', wish: WISH }, disk: DISK, users: [], ...changes } };
}

/** Recorded and pulled, nothing made yet. */
function begun(volumes: World['volumes'], mount = MOUNT): World {
  return freshWorld({
    desired: wanted({ volumes: [mount] }),
    record: aRecord({ image: pinned() }),
    image: imageOf('docker.io/library/nginx:1.27'),
    ...(volumes === undefined ? {} : { volumes }),
  });
}

const OTHER = { instance: keyOf('default', 'other'), readonly: false };

test.each([
  ['nobody declares', { declared: { is: 'gone' } }, 'VolumeNotFound', 'its disk was kept'],
  [
    'nobody declares or has',
    { declared: { is: 'gone' }, disk: { state: 'absent' } },
    'VolumeNotFound',
    'declare it',
  ],
  ['another writes', { users: [OTHER] }, 'VolumeInUse', 'default/other (read-write)'],
  ['another reads', { users: [{ ...OTHER, readonly: true }] }, 'VolumeInUse', 'default/other (read-only)'],
  ['is being filled', { disk: { state: 'making' } }, 'VolumeFilling', 'default/data'],
  [
    'cannot be filled yet',
    { disk: { state: 'failed', reason: 'ArchiveUnusable', message: 'no file', retryAt: NOW + 5 } },
    'ArchiveUnusable',
    'no file',
  ],
  [
    'has lost its disk',
    { disk: { state: 'failed', reason: 'VolumeLost', message: 'put it back' } },
    'VolumeLost',
    'back',
  ],
  [
    'cannot be read of, and has no disk',
    { declared: { is: 'held', reason: 'Invalid', message: 'line 3' }, disk: { state: 'absent' } },
    'Invalid',
    'line 3',
  ],
] as const)('a volume that %s is waited for, and nothing is made', (_, changes, reason, text) => {
  const next = plan(begun(seen(changes)));
  expect(next).toMatchObject({ verdict: 'waiting', reason, actions: [] });
  expect(next.message).toContain(text);
});

test('a volume that was never seen is one that is not there', () => {
  expect(plan(begun(undefined))).toMatchObject({ verdict: 'waiting', reason: 'VolumeNotFound' });
});

test.each([
  ['absent', { state: 'absent' }],
  ['due for another try', { state: 'failed', reason: 'DiskFull', message: '', retryAt: NOW }],
] as const)('a disk that is %s is made on the first need', (_, disk) => {
  expect(plan(begun(seen({ disk }))).actions).toEqual([{ kind: 'create-volume', wish: WISH }]);
});

test('a larger size is taken up while nobody has the volume, a smaller one never', () => {
  const larger = { declared: { is: 'wanted', wish: { ...WISH, bytes: 128 * MIB } } } as const;
  expect(plan(begun(seen(larger))).actions).toEqual([
    { kind: 'grow-volume', volume: WISH.key, bytes: 128 * MIB },
  ]);
  const readers = { ...larger, users: [{ ...OTHER, readonly: true }] };
  expect(plan(begun(seen(readers), { ...MOUNT, readonly: true })).actions[0]?.kind).toBe('create-overlay');
  const smaller = { declared: { is: 'wanted', wish: { ...WISH, bytes: 32 * MIB } } } as const;
  expect(plan(begun(seen(smaller))).actions[0]?.kind).toBe('create-overlay');
});

test('a disk that is there will do while nobody can say what is declared', () => {
  const held = { declared: { is: 'held', reason: 'SourceLost', message: '' } } as const;
  expect(plan(begun(seen(held))).actions[0]?.kind).toBe('create-overlay');
});

test('readers share, and each gets the layer that it asks for', () => {
  const shared = seen({ users: [{ ...OTHER, readonly: true }] });
  expect(plan(begun(shared, LAYERED)).actions).toMatchObject([{ kind: 'fit-volume-layer', bytes: 64 * MIB }]);
});

test('the machine has the disks in the order of the spec, the guest a path before the paths in it', () => {
  const inner = { ...LAYERED, volume: 'inner', mountPath: '/mnt/data/inner' };
  const world = begun({ ...seen(), inner: { ...seen({ layerBytes: 64 * MIB }).data } });
  const desired = wanted({ volumes: [inner, MOUNT] });
  const actions = foresee({ ...world, desired }).flatMap((round) => round.actions);
  const start = actions.find((action) => action.kind === 'start-machine');
  expect(start?.machine.disks.map(({ serial, readonly }) => `${serial} ${readonly ? 'ro' : 'rw'}`)).toEqual([
    'root ro',
    'overlay rw',
    'vol0 ro',
    'vol0-layer rw',
    'vol1 rw',
  ]);
  for (const { serial } of start?.machine.disks ?? []) expect(serial.length).toBeLessThanOrEqual(20);
  const boot = actions.find((action) => action.kind === 'write-boot')?.boot;
  expect(boot?.volumes).toEqual([
    { name: 'data', mountPath: '/mnt/data', serial: 'vol1', readonly: false },
    { name: 'inner', mountPath: '/mnt/data/inner', serial: 'vol0', readonly: true, layer: 'vol0-layer' },
  ]);
});

test('a machine that runs is not stopped for a volume that cannot be had', () => {
  const next = (users: VolumeSeen['users']): ReturnType<typeof plan> =>
    plan(
      runningWorld({
        desired: wanted({ volumes: [MOUNT], updatePolicy: 'Restart' }),
        volumes: seen({ users }),
      }),
    );
  expect(next([OTHER])).toMatchObject({ verdict: 'waiting', reason: 'VolumeInUse', actions: [] });
  expect(next([]).reason).not.toBe('VolumeInUse');
  expect(next([]).actions.length).toBeGreaterThan(0);
});

test('the status tells the mounts of the machine, not those of an edit that waits', () => {
  const world = runningWorld({
    desired: wanted({ volumes: [] }),
    record: aRecord({ image: pinned(), run: aRun({ volumes: [LAYERED] }) }),
    volumes: seen({ layerBytes: 64 * MIB }),
  });
  const { volumes, pendingFields } = statusOf(world, { is: 'planned', plan: plan(world) });
  expect(volumes).toEqual([
    { volume: 'data', mountPath: '/mnt/data', readonly: true, overlay: true, overlaySize: '64MB' },
  ]);
  expect(pendingFields).toEqual(['volumes']);
});

test('a machine that was paused goes on with the volumes that it has, whatever was edited since', () => {
  const other = { ...MOUNT, volume: 'other' };
  const world = runningWorld({
    desired: wanted({ volumes: [{ ...MOUNT, readonly: true }, other] }),
    record: aRecord({ image: pinned(), run: aRun({ volumes: [MOUNT] }) }),
    volumes: { ...seen(), other: { ...seen().data, disk: { ...DISK, path: '/state/volumes/o/disk.img' } } },
    machine: { state: 'paused', process: PROCESS },
  });
  const [action] = plan(world).actions;
  if (action?.kind !== 'start-machine') throw new Error(`the plan is ${action?.kind ?? 'to do nothing'}`);
  expect(action.machine.disks.filter(({ serial }) => serial.startsWith('vol'))).toEqual([
    { serial: 'vol0', path: DISK.path, readonly: false },
  ]);
});

test('a memory does not go on without a volume that it had, whatever was kept with it', () => {
  const run = { ...aRun({ volumes: [MOUNT] }), standby: { is: 'suspended', at: NOW } as const };
  const record = aRecord({ image: pinned(), run });
  const standby = keptMemoryOf(aRun());
  for (const volumes of [undefined, seen({ disk: { state: 'making' } })]) {
    const next = plan(standbyWorld({ record, standby, ...(volumes === undefined ? {} : { volumes }) }));
    expect(next).toMatchObject({ reason: 'RestoreFailed', actions: [], verdict: 'stuck' });
    expect(next.message).toContain('the disk of its volume data is not there');
  }
});
