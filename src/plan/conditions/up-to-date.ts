import { ENV_FIELD_PREFIX, EGRESS_FIELD, FORK_FIELD } from '../fields.ts';
import { quantityText } from '../../api/quantity.ts';
import { isRecorded } from '../known.ts';
import { growthOf } from '../memory.ts';
import { disguiseOf } from '../policy-for.ts';
import { isSuspended } from '../suspended.ts';
import { changesAtRestart, pendingOf } from '../wishes.ts';
import type { RecordedWorld, World } from '../world.ts';
import type { Claim } from './claim.ts';
import { claim } from './claim.ts';

/** True: what runs, or the next start, is what the spec says. False lists every field that waits. */
export function upToDateClaim(world: World): Claim {
  const { desired } = world;
  if (desired.is === 'held')
    return claim('UpToDate', 'Unknown', desired.refused.reason, desired.refused.message);
  if (!isRecorded(world)) return upToDate;
  const pending = pendingOf(world);
  if (pending.length > 0) return pendingClaim(world, pending);
  const { environment } = world.desired;
  if (environment.is === 'missing' && world.record.run !== undefined)
    return claim('UpToDate', 'Unknown', environment.reason, environment.message);
  const notTaken = notTakenNotes(world);
  if (notTaken.length > 0)
    return claim('UpToDate', 'False', 'MemoryNotTaken', [...notTaken, ...idleNotes(world)].join('; '));
  const message = [UP_TO_DATE, ...idleNotes(world)].join('; ');
  return claim('UpToDate', 'True', 'UpToDate', message);
}

const UP_TO_DATE = 'what runs, or the next start, is what the spec says';
const upToDate = claim('UpToDate', 'True', 'UpToDate', UP_TO_DATE);

function pendingClaim(world: RecordedWorld, pending: readonly string[]): Claim {
  const growth = growthOf(world);
  const others = pending.filter((path) => growth.is !== 'due' || path !== 'size');
  if (others.length === 0) return claim('UpToDate', 'False', 'Growing', growingText(world));
  const all = [others.join(', '), ...notesOn(world, pending)].join('; ');
  const atRestart = changesAtRestart(world);
  const beyond = others.filter((path) => !atRestart.includes(path));
  if (beyond.length === 0)
    return claim('UpToDate', 'False', 'RestartRequired', `the next restart brings ${all}`);
  return claim('UpToDate', 'False', 'RecreateRequired', `waiting: ${all}; ${beyond.map(cureFor).join('; ')}`);
}

function growingText(world: RecordedWorld): string {
  return isSuspended(world)
    ? 'size: memory is added to the guest as soon as it goes on from its standby'
    : 'size: memory is being added to the guest, which runs on';
}

function cureFor(path: string): string {
  if (path === 'overlaySize') return 'overlaySize never shrinks: a smaller one needs a new instance';
  if (path === FORK_FIELD)
    return `${path} does not change what an instance was begun from: delete it, and declare it anew`;
  return `${path} needs updatePolicy Recreate, which discards the overlay`;
}

/** What a path alone does not tell. */
function notesOn(world: RecordedWorld, pending: readonly string[]): readonly string[] {
  const { desired, record } = world;
  const growth = growthOf(world);
  const { withheld } = disguiseOf(desired.instance);
  const applied = record.run?.applied.fields ?? {};
  const known = new Set(withheld.map((name) => `${ENV_FIELD_PREFIX}${name}`));
  const seen = pending.filter((path) => known.has(path) && applied[path] !== undefined);
  return [
    ...(seen.length === 0 ? [] : [`the guest still has the real value of ${seen.join(', ')}`]),
    ...(pending.includes(EGRESS_FIELD)
      ? [`${EGRESS_FIELD} holds already, but for the proxy variables of the guest`]
      : []),
    ...(growth.is === 'due' && pending.includes('size') ? [growingText(world)] : []),
    ...(growth.is === 'barred' && pending.includes('size') ? [`size waits, because ${growth.why}`] : []),
    ...notTakenNotes(world),
    ...idleNotes(world),
  ];
}

/** A hypervisor adds memory, and does not know whether its guest uses it. */
function notTakenNotes({ memoryNotTaken: bytes }: RecordedWorld): readonly string[] {
  if (bytes === undefined) return [];
  const text = quantityText('size', bytes);
  return [
    `size: the guest does not use ${text} of the memory that was added to it: bring that online in the guest (/sys/devices/system/memory), or restart it`,
  ];
}

/** Dropped without a word, a variable would be looked for in the guest for long. */
function idleNotes({ desired: { environment } }: RecordedWorld): readonly string[] {
  const names = environment.is === 'ready' ? (environment.idle ?? []) : [];
  if (names.length === 0) return [];
  const paths = names.map((name) => `${ENV_FIELD_PREFIX}${name}`).join(', ');
  return [`the guest does not get ${paths}, named as a secret of its source: choose another name`];
}
