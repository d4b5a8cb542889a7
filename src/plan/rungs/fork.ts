import { layerPathOf } from '../../machine/volume.ts';
import { pathsFor } from '../../machine/paths.ts';
import type { Base } from '../../machine/base.ts';
import type { GuestIdentity, GuestState } from '../../machine/guest.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { MachineDisk } from '../../machine/machine.ts';
import type { Forking } from '../../machine/record.ts';
import type { Action } from '../action.ts';
import { isKnown } from '../known.ts';
import { heldPolicy } from '../mediation.ts';
import { ASK_AGAIN_MS, ASK_ANEW_MS, BASE_WITHIN_MS, elapsed } from '../patience.ts';
import {
  forkingOf,
  withAsked,
  withBase,
  withForking,
  withoutBase,
  withoutSource,
  withoutStandby,
} from '../records.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { asked, firstUnmet, met, unmet, waiting } from '../verdict.ts';
import { hasNeverRun, isNetworked, restartedAtOf } from '../wishes.ts';
import type { Forkable, KnownWorld, RecordedWorld } from '../world.ts';
import { sourceObstacle, sourceState } from '../fork-source.ts';
import { driverAvailable, toolsPresent } from './host-ready.ts';
import { proxyReachable } from './policy.ts';
import { notPaused, readyLeftMs } from './running.ts';
import { credentialsKnown } from './start-words.ts';
import { beginStop } from './stop.ts';

/** A fork: first a base of its source, then disks of its own, then it goes on as if it had been in standby. */

/** Until there is something of it, whom it is a fork of, if of anybody, is as declared. */
export const forkDeclared: Rung<RecordedWorld> = ({ record, key, desired, overlay }) => {
  const declared = forkingOf(key, desired.instance);
  if (!hasNeverRun(record) || record.fork?.instance === declared.fork?.instance) return met;
  const write = { kind: 'write-record', record: withForking(record, declared) } as const;
  const message = 'it is to start from something else';
  if (overlay.state === 'absent') return unmet('Forking', message, write);
  return unmet('Forking', message, { kind: 'remove-overlay', id: record.identity.id }, write);
};

const FORKING = 'the source is asked for its memory and its disks';

/** Everything that can be checked is, before the source is disturbed. */
export const forkBased: Rung<RecordedWorld> = (world) => {
  const { fork } = world.record;
  if (fork === undefined || fork.source !== undefined) return met;
  const { forking } = world;
  if (forking === undefined) return waiting('SourceNotReady', 'its source is not known yet', ASK_AGAIN_MS);
  const newest = forking.bases.at(-1);
  if (newest !== undefined) return taken(world, fork, newest);
  const obstacle = firstUnmet([toolsPresent, driverAvailable, ...startable(world)], world);
  if (obstacle.is !== 'met') return obstacle;
  const { source } = forking;
  const trouble = sourceObstacle(world, source);
  return trouble.is === 'met' && isKnown(source) ? baseAsked(world, fork, { ...forking, source }) : trouble;
};

/** One whose source is there. */
type ForkableNow = Forkable & { readonly source: KnownWorld };

function startable({ desired }: RecordedWorld): readonly Rung<RecordedWorld>[] {
  return desired.instance.spec.state === 'Running' ? [credentialsKnown, proxyReachable] : [];
}

/** Another one under the key of its source is asked at once, and its declaration kept in place of the other's. */
function baseAsked(world: RecordedWorld, fork: Forking, { source, trouble }: ForkableNow): Verdict {
  const { record, now } = world;
  const { id: of } = source.record.identity;
  const isAsked = fork.askedAt !== undefined && (fork.askedOf ?? of) === of;
  const age = isAsked ? elapsed(fork.askedAt, now) : Number.POSITIVE_INFINITY;
  if (age >= ASK_ANEW_MS)
    return unmet(
      'Forking',
      FORKING,
      {
        ...{ kind: 'keep-inheritance', key: world.key, source: source.key },
        ...{ uid: source.record.uid, state: sourceState(source) },
      },
      { kind: 'write-record', record: withAsked(record, of, now) },
    );
  if (age < BASE_WITHIN_MS) return waiting('Forking', trouble ?? FORKING, BASE_WITHIN_MS - age);
  const why = trouble ?? 'its programs could not be made to stand still in time';
  return waiting('SourceNotReady', `${source.key} cannot be forked now: ${why}`, ASK_ANEW_MS - age);
}

function taken(world: RecordedWorld, fork: Forking, base: Base): Verdict {
  const { record, now, desired } = world;
  const begun = withBase(record, fork, {
    ...{ base, at: now, generation: desired.generation, restartedAt: restartedAtOf(world) },
    diskCopy: world.host.cloneMethod,
    isNetworked: desired.instance.spec.network.enabled,
  });
  const write = { kind: 'write-record', record: begun } as const;
  return unmet('Forking', 'what the source left is taken over', write, ...copyOf(world, base));
}

/** Nothing where there is something already: that is seen to first. */
function copyOf(world: RecordedWorld, base: Base): readonly Action[] {
  const isDue = world.overlay.state === 'absent' && world.machine.state === 'absent';
  return isDue && base.origin.disks.length > 0 ? [disksCloned(world, base)] : [];
}

/** The disks are copied before anything else is made of them. */
export const forkDisksCloned: Rung<RecordedWorld> = (world) => {
  const { record, base, machine } = world;
  const { fork } = record;
  if (fork?.base === undefined || machine.state !== 'absent' || base === undefined || base === 'absent')
    return met;
  const [copy] = copyOf(world, base);
  if (copy !== undefined) return unmet('Forking', 'the disks are being copied', copy);
  if (record.run !== undefined) return met;
  return unmet('Forking', 'it has its own disks', {
    kind: 'write-record',
    record: withoutBase(record, world.now),
  });
};

/** Lost before anything was taken of it: else the fork would start from nothing, and say that it is one. */
export const forkBaseKept: Rung<KnownWorld> = ({ record, base, overlay, machine }) => {
  const { fork } = record;
  if (fork?.base === undefined || base !== 'absent' || overlay.state !== 'absent') return met;
  if (machine.state !== 'absent') return met;
  return unmet('Forking', 'what it was to start from is lost: it asks for another', {
    kind: 'write-record',
    record: withoutSource(record, fork),
  });
};

/** Anew: whatever the fork has of them by now is given up. */
export function disksCloned({ record: { identity }, host }: RecordedWorld, base: Base): Action {
  const disks = disksFrom(base, pathsFor(host.roots, identity.id));
  return { kind: 'clone-disks', base: base.id, disks, owner: identity.owner };
}

/** The overlay last: when it is there, all are. */
function disksFrom({ origin }: Base, paths: ReturnType<typeof pathsFor>): readonly MachineDisk[] {
  const disks = origin.disks.map(({ serial, volume }) => ({
    serial,
    path: volume === undefined ? paths.overlay : layerPathOf(paths, volume),
    readonly: false,
  }));
  return disks.sort((one, other) => Number(one.serial === 'overlay') - Number(other.serial === 'overlay'));
}

/**
 * Its programs stand still, or reach nobody, until its guest is itself: then the base has done its service. One that
 * cannot become itself is ended, gives up the memory, and is itself when it has booted from its disks.
 */
export const forkIdentified: Rung<RecordedWorld> = (world) => {
  const { record, guest, now, machine } = world;
  const { run, fork, identity } = record;
  if (fork?.base === undefined || run === undefined) return met;
  // One whose restore was cut short at its end cannot hear who it is.
  if (machine.state === 'paused') return notPaused(world);
  if (isItself(guest, identity.id)) {
    const done = withoutBase(withoutStandby(record, run), now);
    return unmet('Forking', 'the guest is itself', { kind: 'write-record', record: done });
  }
  const leftMs = readyLeftMs(world, run.standby?.at ?? run.startedAt);
  return leftMs <= 0 ? beginStop(world, 'NeverReady') : identified(world, Math.min(ASK_AGAIN_MS, leftMs));
};

function isItself(guest: GuestState, id: InstanceId): boolean {
  return guest.state === 'started' && guest.identity === id && guest.held === undefined;
}

function identified(world: RecordedWorld, thenMs: number): Verdict {
  const { record, guest } = world;
  const message = 'the guest becomes itself: address, names and random numbers of its own';
  if (guest.state !== 'started') return waiting('Forking', message, thenMs);
  const problem = guest.identityProblem;
  const words = problem === undefined ? message : `the guest could not become itself: ${problem}`;
  const { id } = record.identity;
  return asked(thenMs, 'Forking', words, { kind: 'identify-guest', id, identity: identityOf(world) });
}

function identityOf(world: RecordedWorld): Omit<GuestIdentity, 'machineId'> {
  const { ip, gateway, mac } = world.record.identity;
  const held = heldPolicy(world);
  return {
    hostname: world.desired.instance.name,
    ...(isNetworked(world) ? { network: { ip, gateway, mac } } : {}),
    ...(held === undefined ? {} : { authority: held.authority }),
  };
}
