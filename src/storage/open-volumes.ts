import { chmod, chown, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError } from '../errors.ts';
import { namesIn, removeTree, statIfThere, syncDirectory, writeAtomically } from '../host/files.ts';
import type { VolumeKey } from '../machine/ids.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Roots } from '../machine/paths.ts';
import { layerPathOf, volumesDirectory } from '../machine/volume.ts';
import type { VolumeDisk } from '../machine/volume.ts';
import { checkExt4, ext4BytesAt, growExt4 } from './ext4-disk.ts';
import { MAKING_PREFIX } from './make-volume.ts';
import { growOverlayAt, makeOverlay, overlayBytesAt } from './overlay.ts';
import { loadVolumes, storedVolumeText } from './stored-volume.ts';
import { openMakers } from './volume-makers.ts';
import type { StoredVolume, VolumeLayer, Volumes } from './volumes.ts';

/** Directories on their way out: what has another name is whole. */
const GONE_PREFIX = '.gone-';

export type VolumesOptions = {
  readonly roots: Roots;
  /** A filling has ended, well or not. */
  readonly onChange?: (key: VolumeKey) => void;
  readonly now?: () => number;
};

/** Opens what lies under `<state>/volumes`. Hold the lock of the state directory before anything is changed. */
export async function openVolumes(options: VolumesOptions): Promise<Volumes> {
  const { roots } = options;
  const parent = volumesDirectory(roots);
  const { volumes, problems } = await loadVolumes(parent);
  const byKey = new Map<VolumeKey, StoredVolume>(volumes.map((volume) => [volume.key, volume]));
  const makers = openMakers(parent, byKey, options);
  const pathOf = ({ id }: StoredVolume): string => `${parent}/${id}/disk.img`;
  const known = (key: VolumeKey): StoredVolume => knownIn(byKey, key);
  return {
    all: () => [...byKey.values()],
    problems: () => problems,
    of: (key) => byKey.get(key),
    look: async (key) => {
      const volume = byKey.get(key);
      return volume === undefined ? makers.look(key) : diskOf(volume, pathOf(volume));
    },
    create: (wish) => makers.create(wish),
    grow: (key, bytes) => growExt4(pathOf(known(key)), bytes, 'Volume'),
    writePolicy: async (key, reclaimPolicy) => {
      const volume = { ...known(key), reclaimPolicy };
      await writeAtomically(`${dirname(pathOf(volume))}/volume.json`, storedVolumeText(volume));
      byKey.set(key, volume);
    },
    handOver: async (path, { owner, readonly, isFirst }) => {
      if (readonly && isFirst) await checkExt4(path, 'Volume');
      await (readonly ? chown(path, 0, owner.sharedGid) : chown(path, owner.uid, owner.gid));
      await chmod(path, readonly ? 0o440 : 0o600);
    },
    takeBack: async (key) => {
      const path = pathOf(known(key));
      const file = await statIfThere(path);
      if (file === undefined || (file.uid === 0 && file.gid === 0)) return;
      await chown(path, 0, 0);
      await chmod(path, 0o600);
    },
    remove: async (key) => {
      const { id } = known(key);
      await rename(`${parent}/${id}`, `${parent}/${GONE_PREFIX}${id}`);
      byKey.delete(key);
      await syncDirectory(parent);
      await removeTree(`${parent}/${GONE_PREFIX}${id}`);
    },
    layerBytes: (instance, volume) => overlayBytesAt(layerPathOf(pathsFor(roots, instance), volume)),
    fitLayer: (layer) => fitLayer(roots, layer),
    collect: () => collect(parent, (name) => makers.isMaking(name)),
    close: () => makers.close(),
  };
}

async function diskOf(volume: StoredVolume, path: string): Promise<VolumeDisk> {
  const bytes = await ext4BytesAt(path);
  if (bytes !== undefined) return { state: 'ready', id: volume.id, path, bytes };
  const message = `${path} is not there any more: put it back, or remove ${dirname(path)} to begin with an empty one`;
  return { state: 'failed', reason: 'VolumeLost', message };
}

function knownIn(byKey: ReadonlyMap<VolumeKey, StoredVolume>, key: VolumeKey): StoredVolume {
  const volume = byKey.get(key);
  if (volume !== undefined) return volume;
  throw new HypemanError('transient', 'VolumeMissing', `there is no disk of the volume ${key}`);
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
