import type { Base } from '../../src/machine/base.ts';
import { snapshotId } from '../../src/machine/ids.ts';
import type { SnapshotId } from '../../src/machine/ids.ts';
import { isRunOpen } from '../../src/machine/record.ts';
import type { InstanceRecord } from '../../src/machine/record.ts';
import type { SnapshotState } from '../../src/machine/snapshot.ts';
import { isRecorded } from '../../src/plan/known.ts';
import { BASE_WITHIN_MS, elapsed } from '../../src/plan/patience.ts';
import { sourceObstacle, sourceState } from '../../src/plan/fork-source.ts';
import { settledOf } from '../../src/plan/foreseen-standby.ts';
import type { World } from '../../src/plan/world.ts';
import { aBase, aDisksBase, SOURCE_KEY } from './fork-worlds.ts';
import { VOID } from './standby-worlds.ts';
import { freshWorld } from './worlds.ts';

/** The other side of a fork: whom a simulated host forks it from, and what that has left so far. */
export type SimulatedForks = {
  readonly source: World;
  readonly bases: readonly Base[];
  readonly trouble: string | undefined;
};

/** How a source behaves that is asked for a base. */
export type SourceTemper = 'answers' | 'refuses' | 'vanishes';

type Host = SimulatedForks & { readonly world: World };

const GONE: World = freshWorld({ key: SOURCE_KEY, desired: { is: 'gone' } });

/** What a world knows of the other side. */
export function forksIn({ forking, base }: World, source: World): SimulatedForks {
  const based = base === undefined || base === 'absent' ? [] : [base];
  return {
    source: forking?.source ?? source,
    bases: [...(forking?.bases ?? []), ...based],
    trouble: forking?.trouble,
  };
}

/** What a look says of it, by the same words as src/look/forks.ts. */
export function withForks(host: Host): World {
  const { source, bases, trouble } = host;
  const world = withoutForks(host.world);
  const fork = world.record === 'absent' ? undefined : world.record.fork;
  if (fork === undefined) return world;
  if (fork.base !== undefined) {
    const found = bases.find(({ id }) => id === fork.base);
    return { ...world, base: found ?? 'absent', standby: standbyFrom(world, found) };
  }
  if (fork.source !== undefined) return world;
  const { askedAt } = fork;
  const answers = askedAt === undefined ? [] : bases.filter(({ origin }) => origin.takenAt >= askedAt);
  const troubles = trouble === undefined ? {} : { trouble };
  return { ...world, forking: { source, bases: answers, ...troubles } };
}

function withoutForks(world: World): World {
  const copy: { -readonly [K in keyof World]: World[K] } = { ...world };
  delete copy.forking;
  delete copy.base;
  return copy;
}

function standbyFrom({ record, machine, standby, host }: World, base: Base | undefined): SnapshotState {
  const isBegun = machine.state !== 'absent' && machine.state !== 'created';
  if (record === 'absent' || !isRunOpen(record)) return standby;
  // Before it is itself it leaves no memory of its own.
  if (isBegun || base?.manifest.memory === undefined) return { state: 'absent' };
  const { unsettledOnBoot: boot } = base.manifest;
  if (boot !== undefined && boot !== host.bootId) return VOID;
  return { state: 'ready', manifest: base.manifest, isSettled: boot === undefined };
}

/** An instance stays a fork, or none, whatever is edited. */
export function keptFork({ desired, record }: World): World['desired'] {
  if (desired.is !== 'wanted' || record === 'absent' || desired.uid !== record.uid) return desired;
  const { forkFrom, ...spec } = desired.instance.spec;
  if (record.fork === undefined) return { ...desired, instance: { ...desired.instance, spec } };
  const kept = forkFrom ?? { instance: 'base', fromRunning: true, credentials: 'Inherit' };
  return { ...desired, instance: { ...desired.instance, spec: { ...spec, forkFrom: kept } } };
}

export function settledBase(bases: readonly Base[], settled: SnapshotId): readonly Base[] {
  return bases.map((base) => {
    if (base.id !== settled) return base;
    const state = settledOf({ state: 'ready', isSettled: false, manifest: base.manifest });
    return state.state === 'ready' ? { ...base, manifest: state.manifest } : base;
  });
}

/** Time has passed: a source that was asked has answered in its way, and forks that asked this one have it or gave up. */
export function withAnswers<T extends Host>(host: T, temper: SourceTemper): T {
  const asked = withoutAskers(host);
  if (!isAsking(asked.world)) return asked;
  if (temper === 'vanishes') return { ...asked, source: GONE };
  if (temper === 'refuses') return { ...asked, trouble: 'the disk is full' };
  return { ...asked, bases: [...host.bases, nextBase(asked)] };
}

function withoutAskers<T extends Host>(host: T): T {
  const { askers, ...world } = host.world;
  const isOver = askers?.forks.every(({ askedAt }) => elapsed(askedAt, world.now) >= BASE_WITHIN_MS);
  return isOver === true ? { ...host, world } : host;
}

function isAsking(world: World): boolean {
  if (!isRecorded(world) || world.forking === undefined || world.forking.bases.length > 0) return false;
  const { askedAt } = world.record.fork ?? {};
  if (askedAt === undefined || elapsed(askedAt, world.now) >= BASE_WITHIN_MS) return false;
  return sourceObstacle(world, world.forking.source).is === 'met';
}

function nextBase({ world, source, bases }: Host): Base {
  const changes = { takenAt: world.now };
  const base = sourceState(source) === 'Stopped' ? aDisksBase(changes) : aBase(changes);
  const { unsettledOnBoot, ...manifest } = base.manifest;
  const boot = unsettledOnBoot === undefined ? {} : { unsettledOnBoot: world.host.bootId };
  const id = snapshotId(`s${bases.length.toString().padStart(22, '0')}z`);
  return { ...base, id, manifest: { ...manifest, ...boot } };
}

/** Whose the guest is that a machine was restored to, before it is told who it is. */
export function isStillItsSource({ fork, run }: InstanceRecord): boolean {
  return fork?.base !== undefined && run !== undefined;
}
