import type { Origin } from '../../machine/base.ts';
import type { VolumeId } from '../../machine/ids.ts';
import type { MachineDisk } from '../../machine/machine.ts';
import { pathsFor } from '../../machine/paths.ts';
import type { Action } from '../action.ts';
import { mountsOf } from '../fork-source.ts';
import { hasRun, machineApplied } from '../machine-for.ts';
import { isSuspended } from '../suspended.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { asked, met, unmet } from '../verdict.ts';
import { layersOf } from '../volumes.ts';
import { hypervisorOfMachine } from '../wishes.ts';
import type { Askers, RecordedWorld } from '../world.ts';

/** The other side of a fork: an instance of which bases are wanted. Its forks have checked that it can be frozen. */

const MESSAGE = 'its memory and disks are frozen for its forks';
/** Init tells at once when programs stand still; this is for the case that the word was lost. */
const HOLD_AGAIN_MS = 1_000;

/** Programs that stand still for a fork that nobody waits for any more go on. */
export const guestReleased: Rung<RecordedWorld> = (world) => {
  const release = releaseOf(world);
  return release === undefined ? met : asked(HOLD_AGAIN_MS, 'Forking', 'its programs go on', release);
};

/** Whatever else is due, or waited for: a guest that says for ever that it stands still holds nothing up by that. */
export function releasedMeanwhile(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) => {
    const verdict = rung(world);
    const release = verdict.is === 'met' ? undefined : releaseOf(world);
    if (verdict.is === 'met' || release === undefined) return verdict;
    if (verdict.is === 'unmet') return { ...verdict, actions: [release, ...verdict.actions] };
    return asked(HOLD_AGAIN_MS, verdict.reason, verdict.message, release);
  };
}

/** A fork that has yet to become itself is let go by that; a machine that is paused cannot hear. */
function releaseOf({ record, guest, askers, machine }: RecordedWorld): Action | undefined {
  const isHeld = machine.state === 'running' && guest.state === 'started' && guest.held === true;
  if (!isHeld || askers !== undefined || record.fork?.base !== undefined) return undefined;
  return { kind: 'release-guest', id: record.identity.id };
}

/** Of a guest that runs: its programs stand still first, then all that there is of it is taken in one moment. */
export const runningFrozen: Rung<RecordedWorld> = (world) => {
  const { askers, guest, record, machine } = world;
  if (askers === undefined || machine.state !== 'running' || guest.state !== 'started') return met;
  if (record.fork?.base !== undefined || guest.identity !== record.identity.id) return met;
  if (guest.held === true) return frozen(world, askers);
  return asked(HOLD_AGAIN_MS, 'Forking', MESSAGE, { kind: 'hold-guest', id: record.identity.id });
};

/** Of one that does not run, in whatever rest it is: bases are made then, and it stays there. */
export function servingForks(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) => {
    const verdict = rung(world);
    const { askers, record, machine } = world;
    if (verdict.is !== 'rest' || askers === undefined || machine.state !== 'absent') return verdict;
    if (record.fork?.base !== undefined) return verdict;
    const serving = isSuspended(world) ? frozen(world, askers) : disksFrozen(world, askers);
    return serving.is === 'met' ? verdict : serving;
  };
}

function frozen(world: RecordedWorld, { nextBase }: Askers): Verdict {
  if (!hasRun(world)) return met;
  const { hypervisor, applied, link } = world.record.run;
  const origin = originOf(world, ownDisks(world));
  if (origin === undefined) return met;
  return unmet('Forking', MESSAGE, {
    kind: 'freeze-machine',
    hypervisor: hypervisorOfMachine(world),
    machine: machineApplied(world),
    base: nextBase,
    origin: { ...origin, run: { hypervisor, applied, ...(link === undefined ? {} : { link }) } },
  });
}

function disksFrozen(world: RecordedWorld, { nextBase }: Askers): Verdict {
  const disks = ownDisks(world);
  const origin = originOf(world, disks);
  if (origin === undefined) return met;
  const { id } = world.record.identity;
  return unmet('Forking', MESSAGE, { kind: 'freeze-disks', id, disks, base: nextBase, origin });
}

/** Undefined without an image: what was never started has nothing that a fork could take. */
function originOf(
  { record, key }: RecordedWorld,
  disks: readonly OwnDisk[],
): Omit<Origin, 'takenAt'> | undefined {
  if (record.image === undefined) return undefined;
  return {
    version: 1,
    instance: key,
    image: record.image,
    salt: record.identity.salt,
    disks: disks.map(({ serial, volume }) => ({ serial, ...(volume === undefined ? {} : { volume }) })),
  };
}

type OwnDisk = MachineDisk & { readonly volume?: VolumeId };

/** What it writes to and nobody else has: without an overlay it never ran, and there is nothing. */
function ownDisks(world: RecordedWorld): readonly OwnDisk[] {
  if (world.overlay.state === 'absent') return [];
  const paths = pathsFor(world.host.roots, world.record.identity.id);
  const overlay = { serial: 'overlay', path: paths.overlay, readonly: false };
  return [overlay, ...layersOf(world, mountsOf(world), paths)];
}
