import type { InstanceSpec } from '../../src/api/instance.ts';
import type { Base, Origin } from '../../src/machine/base.ts';
import { instanceId, keyOf, snapshotId } from '../../src/machine/ids.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { Askers, Forkable, World } from '../../src/plan/world.ts';
import { keptMemoryOf } from './standby-worlds.ts';
import { aRecord, aRun, freshWorld, imageOf, NOW, pinned, runningWorld, STARTED, wanted } from './worlds.ts';

/** Worlds of forks, and of those that they are forked from. */

export const SOURCE_KEY = keyOf('default', 'base');
export const SOURCE_ID = instanceId('q000000000000000000000q0');
export const BASE_ID = snapshotId('s000000000000000000000s0');
/** Somebody wants to be a fork of this one. */
export const ASKERS: Askers = {
  forks: [{ id: instanceId('f000000000000000000000f0'), askedAt: NOW }],
  nextBase: snapshotId('t000000000000000000000t0'),
};
const REFERENCE = 'docker.io/library/nginx:1.27';

/** Its program runs, and its guest can become another. */
export function sourceWorld(changes: Partial<World> = {}): World {
  const record = aRecord({ image: pinned(), run: aRun() });
  return runningWorld({
    key: SOURCE_KEY,
    record: { ...record, key: SOURCE_KEY, identity: { ...record.identity, id: SOURCE_ID } },
    guest: { ...STARTED, identity: SOURCE_ID },
    ...changes,
  });
}

export function forkable(source: World = sourceWorld(), bases: readonly Base[] = []): Forkable {
  return { source, bases };
}

/** Declared, recorded, and nothing taken of its source yet. */
export function forkWorld(
  forking: Forkable = forkable(),
  spec: Partial<InstanceSpec> = {},
  record: Partial<InstanceRecord> = {},
): World {
  const forkFrom = { instance: 'base', fromRunning: true, credentials: 'Inherit' } as const;
  return freshWorld({
    desired: wanted({ forkFrom, ...spec }),
    record: aRecord({ fork: { instance: SOURCE_KEY }, ...record }),
    image: imageOf(REFERENCE),
    forking,
  });
}

export const ORIGIN: Origin = {
  version: 1,
  instance: SOURCE_KEY,
  takenAt: NOW,
  image: pinned(),
  salt: '11'.repeat(32),
  run: { hypervisor: 'qemu', applied: aRun().applied },
  disks: [{ serial: 'overlay' }],
  sourcePauseMs: 120,
};

export function aBase(changes: Partial<Origin> = {}): Base {
  const origin = { ...ORIGIN, ...changes };
  const kept = keptMemoryOf(aRun(), { isSettled: false });
  if (kept.state !== 'ready') throw new Error('no memory is kept');
  return { id: BASE_ID, manifest: { ...kept.manifest, source: SOURCE_ID }, origin };
}

/** Of a stopped source. */
export function aDisksBase(changes: Partial<Origin> = {}): Base {
  const { id, manifest, origin } = aBase(changes);
  const { version, source, createdAt } = manifest;
  const { instance, takenAt, image, salt, disks } = origin;
  return {
    id,
    manifest: { version, source, createdAt },
    origin: { version, instance, takenAt, image, salt, disks },
  };
}

export function asking(askedAt = NOW): Partial<InstanceRecord> {
  return { fork: { instance: SOURCE_KEY, askedAt } };
}
