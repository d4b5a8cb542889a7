import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HypemanError, messageOf } from '../errors.ts';
import { HOLD_LASTS_MS } from '../guest/guest-links.ts';
import { machineIdFor } from '../guest/machine-id.ts';
import { removeFile } from '../host/files.ts';
import { answers, diskPathIn } from '../machine/base.ts';
import type { Base } from '../machine/base.ts';
import type { InstanceKey, SnapshotId } from '../machine/ids.ts';
import type { MachineRef } from '../machine/driver.ts';
import { waitsSince } from '../machine/record.ts';
import type { Forking, InstanceRecord } from '../machine/record.ts';
import type { Action } from '../plan/action.ts';
import type { Hands } from './hands.ts';
import { keeperOf } from './standby.ts';

/** Forks: what their source is asked for, and what becomes of it. */

/** For a pool of random numbers that was the source's, too: as much as init takes (identify.c), halved. */
const ENTROPY_BYTES = 256;
/** The guest answers at once when it can; the next look goes on where this ends. */
const RELEASED_WITHIN_MS = 1_000;
const LOOK_AGAIN_MS = 10;

/** For what a guest's clock runs ahead of ours, and for a word on its way. */
const HOLD_MARGIN_MS = 5_000;
/** From the last word with a guest to its pause. */
const PAUSED_WITHIN_MS = 5_000;
/** What init has patience for (PATIENCE_MS in hold.c), and a second for the words. */
const HELD_WITHIN_MS = 3_000;

type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;

/** Throws what the declaration of the source lacks. */
export async function keepInheritance(hands: Hands, action: Of<'keep-inheritance'>): Promise<void> {
  const left = await hands.inheritanceFrom(action.source, action.state, action.uid);
  if (left.is === 'missing') throw new HypemanError('transient', left.reason, left.message);
  await hands.storage.keepInheritance(action.key, left.inheritance);
}

/** What goes wrong is its forks' to tell, too. The guest is let go whatever comes. */
export async function freezeMachine(
  hands: Hands,
  { hypervisor, machine, base, origin }: Of<'freeze-machine'>,
  signal: AbortSignal,
): Promise<void> {
  const { snapshots } = hands;
  // Before it stands still: what a fork asked for after this moment need not be in it.
  const taken = { ...origin, takenAt: Date.now() };
  const copyDisks = (directory: string): Promise<void> => snapshots.fillBase(directory, machine.disks, taken);
  const keeper = keeperOf(hands, hypervisor);
  const onReady = (): Promise<void> => stillHeld(hands, machine);
  // Whoever was copied later than that might go on as its source in the copy.
  const onPaused = (): void => {
    if (!holdLasts(hands, machine)) throw holdOver(origin.instance);
  };
  // One in standby has nobody to be let go.
  const hasGuest = hands.links.lastTold(machine.id).state === 'started';
  await toldToForks(hands, origin, async () => {
    try {
      const { pausedMs } = await keeper.freeze(
        machine,
        snapshots.basePaths(base),
        { copyDisks, onReady, onPaused },
        signal,
      );
      await snapshots.notePause(base, Math.round(pausedMs));
    } finally {
      if (hasGuest) await release(hands, machine);
    }
  });
}

/**
 * Before nobody is there to do it: who stands still for a fork goes on, and not only when init's patience is at its end.
 * One that was only asked to, and has not told yet, hears this after that.
 */
export function releaseSources({ storage, links }: Pick<Hands, 'storage' | 'links'>): void {
  for (const { key, identity, fork } of storage.records()) {
    const guest = links.lastTold(identity.id);
    if (guest.state !== 'started' || fork?.base !== undefined) continue;
    if (guest.held === true || storage.forksOf(key).length > 0) links.release(identity.id);
  }
}

export async function freezeDisks(hands: Hands, action: Of<'freeze-disks'>): Promise<void> {
  const { id, base, disks, origin } = action;
  const taken = { ...origin, takenAt: Date.now() };
  await toldToForks(hands, origin, () =>
    hands.snapshots.freezeDisks(base, id, (directory) => hands.snapshots.fillBase(directory, disks, taken)),
  );
}

async function toldToForks(
  { forkTroubles }: Hands,
  { instance }: Of<'freeze-disks'>['origin'],
  freeze: () => Promise<void>,
): Promise<void> {
  try {
    await freeze();
    forkTroubles.delete(instance);
  } catch (error) {
    forkTroubles.set(instance, messageOf(error));
    throw error;
  }
}

function holdLasts({ links }: Hands, { id }: MachineRef, forMs = 0): boolean {
  const heldForMs = links.heldForMs(id) ?? Number.POSITIVE_INFINITY;
  return heldForMs < HOLD_LASTS_MS - HOLD_MARGIN_MS - forMs;
}

function holdOver(instance: InstanceKey): HypemanError {
  const message = `the programs of ${instance} may go on by now: they are asked again`;
  return new HypemanError('transient', 'HoldOver', message);
}

/** What is copied before the pause can take longer than programs stand still: they go on then, and stop anew. */
async function stillHeld(hands: Hands, machine: MachineRef): Promise<void> {
  if (holdLasts(hands, machine, PAUSED_WITHIN_MS)) return;
  // Stopped by a word that comes after all that let it go.
  if (!(await release(hands, machine))) return;
  hands.links.hold(machine.id);
  await toldWithin(HELD_WITHIN_MS, () => holdLasts(hands, machine));
}

/** Its VMM may be another by now: it is spoken to until it has heard, or the next look does. True when it has. */
function release({ links }: Hands, { id, paths }: MachineRef): Promise<boolean> {
  return toldWithin(RELEASED_WITHIN_MS, () => {
    const guest = links.look(id, paths.guestSocket);
    if (guest.state === 'exited' || (guest.state === 'started' && guest.held === undefined)) return true;
    links.release(id);
    return false;
  });
}

async function toldWithin(withinMs: number, isTold: () => boolean): Promise<boolean> {
  const until = Date.now() + withinMs;
  while (Date.now() < until) {
    if (isTold()) return true;
    await sleep(LOOK_AGAIN_MS);
  }
  return false;
}

/** The overlay is the last of them, and goes first: while it is there, all are whole and of one moment. */
export async function cloneDisks(
  { snapshots }: Pick<Hands, 'snapshots'>,
  { base, disks, owner }: Of<'clone-disks'>,
): Promise<void> {
  const { disks: frozen } = snapshots.basePaths(base);
  for (const { path } of disks.toReversed()) await removeFile(path);
  for (const { serial, path } of disks) await snapshots.cloneDisk(diskPathIn(frozen, serial), path, owner);
}

export function identifyGuest({ links }: Hands, { id, identity }: Of<'identify-guest'>): void {
  links.identify(
    id,
    { ...identity, machineId: machineIdFor(id) },
    { epochMs: Date.now(), entropy: randomBytes(ENTROPY_BYTES) },
  );
}

/**
 * Bases that no fork starts from, or may: one that still waits may take any that is not older than its asking. What
 * a record that cannot be read stands on, nobody knows.
 */
export function collectBases({
  storage,
  snapshots,
}: Pick<Hands, 'storage' | 'snapshots'>): Promise<readonly string[]> {
  const isNeeded = ({ fork }: InstanceRecord, id: SnapshotId, base: Base | undefined): boolean =>
    fork !== undefined && (fork.base === id || mayTake(fork, base));
  return snapshots.collectBases(
    (id, base) =>
      storage.problems().length > 0 || storage.records().some((record) => isNeeded(record, id, base)),
  );
}

function mayTake(fork: Forking, base: Base | undefined): boolean {
  const askedAt = waitsSince(fork);
  return base !== undefined && askedAt !== undefined && answers(base, fork, askedAt);
}
