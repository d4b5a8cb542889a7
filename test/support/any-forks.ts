import fc from 'fast-check';
import type { Base } from '../../src/machine/base.ts';
import { isRunOpen } from '../../src/machine/record.ts';
import type { Forking, InstanceRecord } from '../../src/machine/record.ts';
import type { World } from '../../src/plan/world.ts';
import { aBase, aDisksBase, ASKERS, BASE_ID, SOURCE_ID, SOURCE_KEY, sourceWorld } from './fork-worlds.ts';
import { keptMemoryOf, standbyWorld } from './standby-worlds.ts';
import { aRecord, aRun, freshWorld, IDENTITY, NOW, pinned, STARTED, wanted } from './worlds.ts';

/** Any way in which an instance may be a fork, or have forks. */

const KEYED = { key: SOURCE_KEY };
const MOUNT = { volume: 'data', mountPath: '/data', readonly: false, overlay: false };
const REFUSED = { reason: 'SourceLost', message: 'the directory is gone' } as const;

/** Whom an instance can be declared to be a fork of, by the state that it is in. */
const SOURCES: readonly World[] = [
  sourceWorld(),
  sourceWorld(),
  { ...standbyWorld({ desired: wanted({ state: 'Standby' }) }), ...KEYED },
  {
    ...standbyWorld({ desired: wanted({ state: 'Stopped' }), standby: { state: 'absent' } }),
    ...KEYED,
    record: aRecord({ image: pinned(), run: aRun(), stoppedAt: NOW - 1_000 }),
  },
  freshWorld({ ...KEYED, desired: { is: 'gone' } }),
  sourceWorld({ desired: { is: 'held', uid: 'uid-1', generation: 2, refused: REFUSED } }),
  sourceWorld({ record: aRecord({ image: pinned(), run: aRun({ volumes: [MOUNT] }) }) }),
  sourceWorld({ record: aRecord() }),
  sourceWorld({ guest: STARTED }),
];

export const anySource = fc.constantFrom(...SOURCES);

export const anyForkFrom = fc.constantFrom(
  ...([undefined, undefined, undefined, undefined] as const),
  { instance: 'base', fromRunning: true, credentials: 'Inherit' } as const,
  { instance: 'base', fromRunning: false, credentials: 'None' } as const,
);

export type AnyForks = {
  /** How far it has come as a fork. */
  readonly fork: 'none' | 'declared' | 'asked' | 'begun' | 'whole';
  readonly askedAt: number;
  readonly source: World;
  readonly isBaseLost: boolean;
  readonly isAsked: boolean;
  readonly identity: 'its own' | 'its source’s' | 'none';
  readonly isHeld: boolean;
  /** Its source had a network, and it is to have none. */
  readonly isCutOff: boolean;
};

export const anyForks: fc.Arbitrary<AnyForks> = fc.record({
  fork: fc.constantFrom('none', 'none', 'none', 'none', 'declared', 'asked', 'begun', 'begun', 'whole'),
  askedAt: fc.integer({ min: NOW - 70_000, max: NOW + 1_000 }),
  source: anySource,
  isBaseLost: fc.constantFrom(false, false, false, true),
  isAsked: fc.constantFrom(false, false, false, true),
  identity: fc.constantFrom('its own', 'its own', 'its own', 'its source’s', 'none'),
  isHeld: fc.constantFrom(false, false, true),
  isCutOff: fc.constantFrom(false, false, true),
});

/** As `look` would see it; what a fork starts from is what its run was started as. */
export function forkedAs(world: World, forks: AnyForks): World {
  const { record } = world;
  if (record === 'absent') return world;
  const asks = forks.isAsked ? { askers: ASKERS } : {};
  const seen = { ...world, ...asks, guest: guestAs(world.guest, forks) };
  const { source, askedAt } = forks;
  const fork: Forking = { instance: SOURCE_KEY };
  switch (forks.fork) {
    case 'none':
      return seen;
    case 'declared':
      return { ...seen, record: { ...unstarted(record), fork }, forking: { source, bases: [] } };
    case 'asked':
      return {
        ...seen,
        record: { ...unstarted(record), fork: { ...fork, askedAt } },
        forking: { source, bases: forks.isBaseLost ? [] : [aBase({ takenAt: askedAt })] },
      };
    case 'begun':
      return begun(
        cutOff(seen, forks),
        { ...fork, askedAt, source: SOURCE_ID, base: BASE_ID },
        forks.isBaseLost,
      );
    case 'whole':
      return wholeOf(cutOff(seen, forks), { ...fork, source: SOURCE_ID, completedAt: NOW });
  }
}

function wholeOf(world: World, fork: Forking): World {
  return world.record === 'absent' ? world : { ...world, record: { ...world.record, fork } };
}

/** The run that it goes on with has a device whose link is down. */
function cutOff(world: World, forks: AnyForks): World {
  const { record, standby } = world;
  const run = record === 'absent' ? undefined : record.run;
  if (record === 'absent' || run === undefined || !forks.isCutOff) return world;
  const fields = { ...run.applied.fields, 'network.enabled': 'false' };
  const cut = { ...run, applied: { ...run.applied, fields }, link: 'down' } as const;
  return { ...world, record: { ...record, run: cut }, standby: withNic(standby) };
}

function withNic(standby: World['standby']): World['standby'] {
  if (standby.state !== 'ready' || standby.manifest.memory === undefined) return standby;
  const { memory } = standby.manifest;
  const shape = { ...memory.shape, hasNic: true };
  return { ...standby, manifest: { ...standby.manifest, memory: { ...memory, shape } } };
}

function guestAs(guest: World['guest'], { identity, isHeld }: AnyForks): World['guest'] {
  if (guest.state !== 'started' || identity === 'none') return guest;
  const id = identity === 'its own' ? IDENTITY.id : SOURCE_ID;
  return { ...guest, identity: id, ...(isHeld ? { held: true } : {}) };
}

/** Before it has its base, there is nothing that it could have been started with. */
function unstarted({ version, key, uid, identity, createdAt }: InstanceRecord): InstanceRecord {
  return { version, key, uid, identity, createdAt, restarts: 0, failures: 0 };
}

function begun(world: World, fork: Forking, isBaseLost: boolean): World {
  if (world.record === 'absent') return world;
  // A program that ended has let go of the base, and before a fork is itself it leaves no memory.
  const { exit, ...rest } = world.record;
  const record = exit === undefined ? world.record : rest;
  const forked = { ...record, image: record.image ?? pinned(), fork };
  const base = isBaseLost ? 'absent' : baseOf(forked);
  return { ...world, record: forked, base, standby: { state: 'absent' } };
}

function baseOf(record: InstanceRecord): Base {
  if (!isRunOpen(record)) return aDisksBase();
  const { applied, hypervisor } = record.run;
  const base = aBase({ run: { hypervisor, applied } });
  const kept = keptMemoryOf(record.run, { isSettled: false });
  return kept.state === 'ready' ? { ...base, manifest: { ...kept.manifest, source: SOURCE_ID } } : base;
}
