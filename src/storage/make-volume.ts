import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError, messageOf } from '../errors.ts';
import { orDiskFull } from '../host/disk-space.ts';
import { ensureDirectory, removeTree, syncDirectory, writeAtomically } from '../host/files.ts';
import { sourceText } from '../machine/volume.ts';
import type { VolumeSource, VolumeWish } from '../machine/volume.ts';
import type { Secret } from '../secrets/secret.ts';
import { filledWithin } from './bounded-filling.ts';
import { makeExt4 } from './ext4-disk.ts';
import { handOver } from './make-once.ts';
import { storedVolumeText } from './stored-volume.ts';
import { unpackArchive } from './unpack-archive.ts';
import type { StoredVolume } from './volumes.ts';

/** Directories of volumes in the making are `.making-<id>`: what has another name is whole. */
export const MAKING_PREFIX = '.making-';
/** Passable for the VMMs; the disk in it says who may open it. */
export const PASSABLE = 0o711;

/** How a volume is made, beside what it is to be. */
export type Making = {
  readonly createdAt: number;
  readonly unpackImage: UnpackImage;
  /** Docker configs that are shown to the registry of the image, as `ImageQuery` has them. */
  readonly credentials: readonly Secret[];
  readonly tell: (progress: string) => void;
  readonly signal: AbortSignal;
};

/** Puts the files of an image into `directory`, which is not there yet; returns the digest of the image. */
export type UnpackImage = (
  reference: string,
  to: { readonly directory: string } & Pick<Making, 'credentials' | 'tell' | 'signal'>,
) => Promise<{ readonly digest: string }>;

/**
 * Makes `<parent>/<id>` as a whole or not at all. Throws `DiskFull`, `ArchiveUnusable`, `VolumeTooSmall`, and what
 * keeps an image from being unpacked.
 */
export async function makeVolume(parent: string, wish: VolumeWish, making: Making): Promise<StoredVolume> {
  const temporary = `${parent}/${MAKING_PREFIX}${wish.id}`;
  await ensureDirectory(parent, PASSABLE);
  try {
    const stored = await orDiskFull(parent, `make the volume ${wish.key}`, async () => {
      await mkdir(temporary, { mode: PASSABLE });
      const image = await makeDisk(`${temporary}/disk.img`, wish, making);
      const { id, key, reclaimPolicy } = wish;
      const volume = { version: 1, id, key, createdAt: making.createdAt, reclaimPolicy, ...image } as const;
      await writeAtomically(`${temporary}/volume.json`, storedVolumeText(volume));
      return volume;
    });
    making.signal.throwIfAborted();
    await rename(temporary, `${parent}/${wish.id}`);
    await syncDirectory(parent);
    return stored;
  } catch (error) {
    await removeTree(temporary);
    throw error;
  }
}

type FromImage = Pick<StoredVolume, 'image'>;

async function makeDisk(path: string, { bytes, source }: VolumeWish, making: Making): Promise<FromImage> {
  const content = source === undefined ? {} : await fillDisk(path, { bytes, source }, making);
  if (source === undefined) await makeExt4(path, bytes, { label: 'volume' });
  await handOver(path, { uid: 0, gid: 0 });
  return content;
}

/** The filesystem is made with its files in it: nothing is mounted on this host, so nothing can stay mounted. */
async function fillDisk(
  path: string,
  { bytes, source }: { readonly bytes: number; readonly source: VolumeSource },
  making: Making,
): Promise<FromImage> {
  // Root's alone: files that run as their owner lie there for a moment.
  const room = `${dirname(path)}/room`;
  const files = `${room}/files`;
  await mkdir(room, { mode: 0o700 });
  const bounds = { bytes, signal: making.signal, tooLarge: () => tooSmall(source) };
  const content = await filledWithin(files, bounds, (signal) =>
    unpack(source, { files, bytes }, { ...making, signal }),
  );
  making.tell('writing the disk');
  try {
    await makeExt4(path, bytes, { label: 'volume', from: files, signal: making.signal });
  } catch (error) {
    // The words of libext2fs, ext2_err.et.
    if (!/Could not allocate (block|inode)/.test(messageOf(error))) throw error;
    throw tooSmall(source);
  }
  await removeTree(room);
  return content;
}

function tooSmall(source: VolumeSource): HypemanError {
  return new HypemanError(
    'transient',
    'VolumeTooSmall',
    `the files of ${sourceText(source)} do not fit into the volume: make spec.size larger`,
  );
}

async function unpack(
  source: VolumeSource,
  { files, bytes }: { readonly files: string; readonly bytes: number },
  { unpackImage, credentials, tell, signal }: Making,
): Promise<FromImage> {
  if (source.from === 'archive') {
    await unpackArchive(source.path, files, { bytes, signal });
    return {};
  }
  const { reference } = source;
  const { digest } = await unpackImage(reference, { directory: files, credentials, tell, signal });
  return { image: { reference, digest } };
}
