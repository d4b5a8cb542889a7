import type { InstanceRecord } from '../machine/record.ts';
import type { Action } from './action.ts';
import { stateOf } from './run-state.ts';
import type { Plan } from './verdict.ts';
import type { World } from './world.ts';

/** What forking does to the world of the one who acts, as far as it can be known before. */

type ForkAction = Extract<
  Action,
  {
    kind:
      'hold-guest' | 'release-guest' | 'freeze-machine' | 'freeze-disks' | 'clone-disks' | 'identify-guest';
  }
>;

export function forkedAfter(world: World, action: ForkAction): World {
  switch (action.kind) {
    case 'hold-guest':
      return guestIs(world, (guest) => ({ ...guest, held: true }));
    case 'release-guest':
      return guestIs(world, released);
    case 'freeze-machine':
    case 'freeze-disks':
      return guestIs(without(world, 'askers'), released);
    case 'clone-disks':
      return { ...world, overlay: clonedOverlay(world) };
    case 'identify-guest':
      return guestIs(world, (guest) => ({ ...released(guest), identity: action.id }));
  }
}

/** Where the foresight of a fork ends that waits for its source: what comes next is for the source to do. */
export function endAtSource({ forking }: World, next: Plan): Plan | undefined {
  if (forking === undefined || next.verdict !== 'waiting') return undefined;
  if (next.reason !== 'Forking' || forking.trouble !== undefined) return next;
  return { ...next, message: goingOnText(forking.source) };
}

function goingOnText(source: World): string {
  const { key } = source;
  const state = stateOf(source);
  if (state === 'Running')
    return `${key} stands still for a moment, then the fork goes on from its memory and its disks`;
  if (state === 'Standby') return `the fork goes on from the memory and the disks of ${key}`;
  return `the fork gets copies of the disks of ${key}`;
}

/** A fork that has chosen its base stands on it; one that has let go of it does not. */
export function recordedAs(world: World, record: InstanceRecord): World {
  const base = record.fork?.base;
  const before = world.record === 'absent' ? undefined : world.record.fork?.base;
  if (base === before) return { ...world, record };
  const rest = without(without(world, 'forking'), 'base');
  if (base === undefined) return { ...rest, record, standby: { state: 'absent' } };
  const chosen = world.forking?.bases.find(({ id }) => id === base);
  if (chosen === undefined) return { ...rest, record, base: 'absent' };
  const { manifest } = chosen;
  const isSettled = manifest.unsettledOnBoot === undefined;
  const standby =
    manifest.memory === undefined ? world.standby : ({ state: 'ready', manifest, isSettled } as const);
  return { ...rest, record, base: chosen, standby };
}

type Started = Extract<World['guest'], { state: 'started' }>;

function guestIs(world: World, change: (guest: Started) => Started): World {
  const { guest } = world;
  return guest.state === 'started' ? { ...world, guest: change(guest) } : world;
}

function released(guest: Started): Started {
  return without(guest, 'held');
}

/** The same, but for one part that need not be there. */
function without<T extends object>(whole: T, part: keyof T): T {
  const copy = { ...whole };
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the caller names an optional part
  delete copy[part];
  return copy;
}

/** As large as the one that it is a copy of: that is on record. */
function clonedOverlay({ record, overlay }: World): World['overlay'] {
  const size = record === 'absent' ? undefined : record.run?.applied.fields.overlaySize;
  return overlay.state === 'ready' ? overlay : { state: 'ready', bytes: Number(size ?? 0) };
}
