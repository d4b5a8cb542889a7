import { mayShowSecrets } from '../../api/inheritance.ts';
import type { VolumeMount } from '../../api/instance.ts';
import { userText, whoBars } from '../../machine/volume.ts';
import type { VolumeDisk, VolumeWish } from '../../machine/volume.ts';
import type { VolumeId } from '../../machine/ids.ts';
import type { Action } from '../action.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, unmet, waiting } from '../verdict.ts';
import type { VolumeSeen } from '../volumes.ts';
import { volumeSeen } from '../volumes.ts';
import type { RecordedWorld } from '../world.ts';
import { PREPARING } from './overlay.ts';

/** Whoever declares it or lets go of it wakes us: this is for a disk that is put back by hand. */
const LOOK_AGAIN_MS = 30_000;
/** Each step of a filling wakes us, and its end. */
const FILLING_LOOK_MS = 10_000;

/** Every volume is declared, nobody else has it in a way that bars this one, and none is being filled. */
export const volumesFree: Rung<RecordedWorld> = (world) =>
  firstOf(world, (mount, seen) => obstacleTo(world, mount, seen));

/** Every volume is there and as large as declared, unless somebody else reads it now. Made on the first need. */
export const volumesMade: Rung<RecordedWorld> = (world) =>
  firstOf(world, (mount, seen) => {
    const action = actionFor(world, mount, seen);
    return action === undefined ? met : unmet('Preparing', PREPARING, action);
  });

function firstOf(
  world: RecordedWorld,
  verdictOn: (mount: VolumeMount, seen: VolumeSeen | undefined) => Verdict,
): Verdict {
  for (const mount of world.desired.instance.spec.volumes) {
    const verdict = verdictOn(mount, volumeSeen(world, mount.volume));
    if (verdict.is !== 'met') return verdict;
  }
  return met;
}

function obstacleTo(
  { desired, now }: RecordedWorld,
  { volume, readonly }: VolumeMount,
  seen: VolumeSeen | undefined,
): Verdict {
  const name = `${desired.instance.namespace}/${volume}`;
  if (seen === undefined || seen.declared.is === 'gone')
    return waiting('VolumeNotFound', notFound(name, seen?.disk), LOOK_AGAIN_MS);
  const { declared, disk, users } = seen;
  if (declared.is === 'barred') return waiting(declared.reason, declared.message, LOOK_AGAIN_MS);
  const by = whoBars(users, readonly);
  if (by !== undefined) return waiting('VolumeInUse', inUse(name, readonly, userText(by)), LOOK_AGAIN_MS);
  if (declared.is === 'held' && disk.state !== 'ready')
    return waiting(declared.reason, declared.message, LOOK_AGAIN_MS);
  return diskObstacle(name, disk, now);
}

function diskObstacle(name: string, disk: VolumeDisk, now: number): Verdict {
  if (disk.state === 'making')
    return waiting('VolumeFilling', fillingText(name, disk.progress), FILLING_LOOK_MS);
  if (disk.state !== 'failed') return met;
  if (disk.retryAt === undefined) return waiting(disk.reason, disk.message, LOOK_AGAIN_MS);
  return disk.retryAt <= now ? met : waiting(disk.reason, disk.message, disk.retryAt - now);
}

function fillingText(name: string, progress: string | undefined): string {
  return `the volume ${name} is being filled${progress === undefined ? '' : `: ${progress}`}`;
}

function notFound(name: string, disk: VolumeDisk | undefined): string {
  const kept = disk?.state === 'ready' ? '; its disk was kept and is taken up again then' : '';
  return `no Volume ${name} is declared: declare it, or remove it from spec.volumes${kept}`;
}

function inUse(name: string, readonly: boolean, by: string): string {
  const why = readonly ? 'what is written by one has no readers' : 'what is written has one user';
  return `the volume ${name} is attached to ${by}, and ${why}: stop that instance, or mount another volume`;
}

function actionFor(
  world: RecordedWorld,
  mount: VolumeMount,
  seen: VolumeSeen | undefined,
): Action | undefined {
  if (seen === undefined) return undefined;
  const { declared, disk } = seen;
  const wish = declared.is === 'wanted' ? declared.wish : undefined;
  if (disk.state === 'ready') return growthOf(seen, wish) ?? layerFor(world, mount, seen, disk.id);
  if (wish === undefined) return undefined;
  const isShown = wish.source?.from === 'image' && mayShowSecrets(world.desired.instance.spec);
  return { kind: 'create-volume', wish, ...(isShown ? { secretsOf: world.key } : {}) };
}

function growthOf({ disk, users }: VolumeSeen, wish: VolumeWish | undefined): Action | undefined {
  if (wish === undefined || disk.state !== 'ready' || disk.bytes >= wish.bytes || users.length > 0)
    return undefined;
  return { kind: 'grow-volume', volume: wish.key, bytes: wish.bytes };
}

function layerFor(
  { record }: RecordedWorld,
  { overlay, overlayBytes = 0 }: VolumeMount,
  { layerBytes = 0 }: VolumeSeen,
  volume: VolumeId,
): Action | undefined {
  if (!overlay || layerBytes >= overlayBytes) return undefined;
  const { id, owner } = record.identity;
  return { kind: 'fit-volume-layer', id, volume, bytes: overlayBytes, owner };
}
