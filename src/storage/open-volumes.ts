import { chmod, chown, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError } from '../errors.ts';
import {
  ensureDirectory,
  namesIn,
  removeTree,
  statIfThere,
  syncDirectory,
  writeAtomically,
} from '../host/files.ts';
import type { VolumeKey } from '../machine/ids.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import type { InstanceRecord } from '../machine/record.ts';
import { layerPathOf, volumesDirectory } from '../machine/volume.ts';
import type { VolumeDisk, VolumeUser } from '../machine/volume.ts';
import { checkExt4, ext4BytesAt, growExt4 } from './ext4-disk.ts';
import { MAKING_PREFIX, PASSABLE } from './make-volume.ts';
import type { UnpackImage } from './make-volume.ts';
import { growOverlayAt, makeOverlay, overlayBytesAt } from './overlay.ts';
import type { RecordProblem } from './storage.ts';
import { loadVolumes, storedVolumeText } from './stored-volume.ts';
import type { VolumeProblem } from './stored-volume.ts';
import { openVolumeClaims } from './volume-claims.ts';
import { openMakers } from './volume-makers.ts';
import type { Makers } from './volume-makers.ts';
import { openTurns } from '../host/turns.ts';
import type { StoredVolume, VolumeLayer, Volumes, VolumeTaker } from './volumes.ts';

/** Directories on their way out: what has another name is whole. */
const GONE_PREFIX = '.gone-';
/** For the group of all VMMs to read. */
const SHARED = 0o440;

export type VolumesOptions = {
  readonly roots: Roots;
  /** Who has which volume. */
  readonly records: () => readonly InstanceRecord[];
  /** Records that cannot be read: whose they are, and what they have, nobody knows. */
  readonly unread?: () => readonly RecordProblem[];
  /** What volumes are filled with that are made from an image. */
  readonly unpackImage: UnpackImage;
  /** A filling has gone on, or ended, well or not. */
  readonly onChange?: (key: VolumeKey) => void;
  readonly now?: () => number;
};

/** Opens what lies under `<state>/volumes`. Hold the lock of the state directory before anything is changed. */
export async function openVolumes(options: VolumesOptions): Promise<Volumes> {
  const { roots } = options;
  const parent = volumesDirectory(roots);
  const { volumes, problems } = await loadVolumes(parent);
  const byKey = new Map<VolumeKey, StoredVolume>(volumes.map((volume) => [volume.key, volume]));
  const claims = openVolumeClaims(options.records, options.unread);
  const inTurn = openTurns();
  const makers = openMakers(parent, byKey, options);
  const unmade = carefully(makers, byKey, problems);
  const pathOf = ({ id }: StoredVolume): string => `${parent}/${id}/disk.img`;
  const known = (key: VolumeKey): StoredVolume => knownIn(byKey, key);
  return {
    all: () => [...byKey.values()],
    problems: () => problems,
    of: (key) => byKey.get(key),
    look: async (key) => {
      const volume = byKey.get(key);
      return volume === undefined ? unmade.look(key) : diskOf(volume, pathOf(volume));
    },
    create: unmade.create,
    tryAgain: makers.tryAgain,
    usersOf: claims.usersOf,
    claim: claims.claim,
    grow: (key, bytes) =>
      inTurn(key, async () => {
        claims.refuseHeld(key);
        await growExt4(pathOf(known(key)), bytes, 'Volume');
      }),
    writePolicy: async (key, reclaimPolicy) => {
      byKey.set(key, await rewritten(parent, { ...known(key), reclaimPolicy }));
    },
    handOver: async (path, taker) => {
      const { key } = [...byKey.values()].find((one) => pathOf(one) === path) ?? { key: undefined };
      if (key === undefined) throw missing(path);
      await inTurn(key, () => handOver(path, taker, claims.usersOf(key)));
    },
    takeBack: (key) => inTurn(key, () => takeBack(pathOf(known(key)), () => claims.isHeld(key))),
    remove: (key) =>
      inTurn(key, async () => {
        if (claims.isHeld(key)) return false;
        await removeVolume(parent, known(key).id, () => byKey.delete(key));
        return true;
      }),
    layerBytes: (instance, volume) => overlayBytesAt(layerPathOf(pathsFor(roots, instance), volume)),
    fitLayer: (layer) => fitLayer(roots, layer),
    ensureDirectory: () => ensureDirectory(parent, PASSABLE),
    collect: () => collect(parent, (name) => makers.isMaking(name)),
    close: () => makers.close(),
  };
}

async function rewritten(parent: string, volume: StoredVolume): Promise<StoredVolume> {
  await writeAtomically(`${parent}/${volume.id}/volume.json`, storedVolumeText(volume));
  return volume;
}

async function diskOf(volume: StoredVolume, path: string): Promise<VolumeDisk> {
  const bytes = await ext4BytesAt(path);
  if (bytes !== undefined) return { state: 'ready', id: volume.id, path, bytes };
  const message = `${path} is not there any more: put it back, or remove ${dirname(path)} to begin with an empty one`;
  return { state: 'failed', reason: 'VolumeLost', message };
}

type Failed = Extract<VolumeDisk, { state: 'failed' }>;

/** A directory of which nobody can tell whose it is may be this volume's: no empty one is put in its place. */
async function hiddenBehind(problems: readonly VolumeProblem[], key: VolumeKey): Promise<Failed | undefined> {
  for (const problem of problems) {
    const mayBe = problem.key === undefined || problem.key === key;
    if (!mayBe || (await statIfThere(problem.directory)) === undefined) continue;
    const message = `the volume ${key} is not made anew, for its disk may be there: ${problem.message}`;
    return { state: 'failed', reason: 'VolumeUnreadable', message };
  }
  return undefined;
}

/** The same makers, of what is not hidden. */
function carefully(
  makers: Makers,
  made: ReadonlyMap<VolumeKey, StoredVolume>,
  problems: readonly VolumeProblem[],
): { readonly look: (key: VolumeKey) => Promise<VolumeDisk>; readonly create: Makers['create'] } {
  return {
    look: async (key) => (await hiddenBehind(problems, key)) ?? makers.look(key),
    create: async (wish, credentials) => {
      const hidden = made.has(wish.key) ? undefined : await hiddenBehind(problems, wish.key);
      if (hidden !== undefined) throw new HypemanError('transient', hidden.reason, hidden.message);
      await makers.create(wish, credentials);
    },
  };
}

/**
 * A reader mounts without replaying the journal: what the last writer left must be in order by then. Of readers
 * that start at once each sees the other: only the file tells whether one of them has come this far.
 */
async function handOver(path: string, taker: VolumeTaker, users: readonly VolumeUser[]): Promise<void> {
  const { instance, owner, readonly } = taker;
  if (!users.some((user) => user.instance === instance && user.readonly === readonly))
    throw new HypemanError('transient', 'VolumeInUse', `${instance} has no claim on ${path} of that kind`);
  const isAlone = users.length === 1;
  if (readonly && (isAlone || !(await isShared(path, owner)))) await checkExt4(path, 'Volume');
  await (readonly ? chown(path, 0, owner.sharedGid) : chown(path, owner.uid, owner.gid));
  await chmod(path, readonly ? SHARED : 0o600);
}

async function isShared(path: string, { sharedGid }: VolumeTaker['owner']): Promise<boolean> {
  const file = await statIfThere(path);
  return file?.uid === 0 && file.gid === sharedGid && (file.mode & 0o777) === SHARED;
}

/** From the rename on it is no volume any more; what a crash leaves then is collected. */
async function removeVolume(parent: string, id: string, onGone: () => void): Promise<void> {
  const gone = `${parent}/${GONE_PREFIX}${id}`;
  await rename(`${parent}/${id}`, gone);
  onGone();
  await syncDirectory(parent);
  await removeTree(gone);
}

async function takeBack(path: string, isHeld: () => boolean): Promise<void> {
  const file = await statIfThere(path);
  const isRoots = file === undefined || (file.uid === 0 && file.gid === 0);
  if (isRoots || isHeld()) return;
  await chown(path, 0, 0);
  await chmod(path, 0o600);
}

function missing(what: string): HypemanError {
  return new HypemanError('transient', 'VolumeMissing', `there is no disk of the volume ${what}`);
}

function knownIn(byKey: ReadonlyMap<VolumeKey, StoredVolume>, key: VolumeKey): StoredVolume {
  const volume = byKey.get(key);
  if (volume !== undefined) return volume;
  throw missing(key);
}

async function fitLayer(roots: Roots, { instance, volume, bytes, owner }: VolumeLayer): Promise<void> {
  const path = layerPathOf(pathsFor(roots, instance), volume);
  await makeOverlay(path, bytes, owner);
  await growOverlayAt(path, bytes);
}

async function collect(parent: string, isMaking: (name: string) => boolean): Promise<readonly string[]> {
  const gone: string[] = [];
  for (const name of await namesIn(parent)) {
    const isOurs = name.startsWith(MAKING_PREFIX) || name.startsWith(GONE_PREFIX);
    if (!isOurs || isMaking(name)) continue;
    await removeTree(`${parent}/${name}`);
    gone.push(`${parent}/${name}`);
  }
  return gone;
}
