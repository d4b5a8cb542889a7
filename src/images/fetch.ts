import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HypemanError } from '../errors.ts';
import { diskFull, freeBytesAt, orDiskFull } from '../host/disk-space.ts';
import { removeTree, statIfThere } from '../host/files.ts';
import { PULL_PREFIX } from './cache.ts';
import type { Cache, CachedImage } from './cache.ts';
import { layoutOfOne } from './layout-reader.ts';
import { progressText } from './progress.ts';
import type { ImageReference } from './reference.ts';
import { copyImage, sourceAt } from './registry-client.ts';
import type { RegistryAccess } from './registry-client.ts';
import type { Measured } from './resolve.ts';
import { makeRootDisk, unpackLayers } from './root-disk.ts';

export type Fetching = {
  readonly cache: Cache;
  readonly access: RegistryAccess;
  /** The directories of running pulls, so that `collect` leaves them alone. */
  readonly rooms: Set<string>;
  /** Pulls stop before they take the last of the disk from running machines. */
  readonly reserveBytes: number;
  /** How long a transfer may stand still. */
  readonly stallMs: number;
  readonly tell: (progress: string) => void;
  readonly signal: AbortSignal;
};

export type Wanted = {
  readonly reference: ImageReference;
  readonly digest: string;
  readonly measured: Measured;
};

const CHECK_MS = 500;
/**
 * Of the layers' size: they themselves and their unpacked tree, then that tree and the root disk beside it.
 * gzip makes about half of a tree. An image that needs more still fails with the same words, only later.
 */
const ROOM_FACTOR = 4;

/** Fetches the layers of one image and makes its root disk. */
export async function fetchImage(wanted: Wanted, fetching: Fetching): Promise<CachedImage> {
  const { cache, signal } = fetching;
  return withLayers(wanted, fetching, async (room) => {
    const rootDisk = await makeRootDisk(room, wanted.digest, signal);
    const final = `${room}/final`;
    await mkdir(final, { mode: 0o700 });
    return cache.install({ digest: wanted.digest, rootDisk, config: wanted.measured.config }, final);
  });
}

/** Fetches the layers of one image and unpacks them as `directory`, which is not there yet. */
export async function fetchFiles(wanted: Wanted, directory: string, fetching: Fetching): Promise<void> {
  await withLayers(wanted, fetching, (room) => unpackLayers(room, directory, fetching.signal));
}

/**
 * Everything happens in a directory that only root can enter, and that is gone afterwards, whatever happened.
 */
async function withLayers<T>(
  wanted: Wanted,
  fetching: Fetching,
  work: (room: string) => Promise<T>,
): Promise<T> {
  const { cache, rooms, tell } = fetching;
  await refuseWithoutSpace(wanted, fetching);
  const room = `${cache.directory}/${PULL_PREFIX}${randomBytes(6).toString('hex')}`;
  rooms.add(room);
  try {
    return await orDiskFull(cache.directory, 'pull an image', async () => {
      await mkdir(room, { mode: 0o700 });
      await fetchLayers(wanted, fetching, room);
      tell('unpacking');
      return await work(room);
    });
  } finally {
    await removeTree(room);
    rooms.delete(room);
  }
}

async function refuseWithoutSpace({ measured }: Wanted, { cache, reserveBytes }: Fetching): Promise<void> {
  const needed = measured.layerBytes * ROOM_FACTOR + reserveBytes;
  if ((await freeBytesAt(cache.directory)) < needed) throw await diskFull(cache.directory, 'pull an image');
}

async function fetchLayers(
  { reference, digest, measured }: Wanted,
  fetching: Fetching,
  room: string,
): Promise<void> {
  const layout = `${room}/oci`;
  const source =
    reference.from === 'registry'
      ? sourceAt(reference, digest)
      : await layoutOfOne(reference, digest, `${room}/source`);
  const { access } = fetching;
  const copy = (signal: AbortSignal): Promise<void> =>
    copyImage(source, { layout: `${layout}:image`, scratch: room }, { reference, access, signal });
  await whileWatched(copy, transferWatch(layout, measured.layerBytes, fetching), fetching.signal);
}

/** A check that tells how far a transfer is and throws when it stands still or eats into the reserve. */
function transferWatch(layout: string, totalBytes: number, fetching: Fetching): () => Promise<void> {
  let bytesBefore = -1;
  let stillForMs = 0;
  return async () => {
    const bytes = await bytesIn(layout);
    stillForMs = bytes > bytesBefore ? 0 : stillForMs + CHECK_MS;
    bytesBefore = bytes;
    fetching.tell(progressText(bytes, totalBytes));
    if (stillForMs >= fetching.stallMs)
      throw new HypemanError(
        'transient',
        'RegistryUnreachable',
        `the transfer of the image stood still for ${Math.round(stillForMs / 1000)} s`,
      );
    if ((await freeBytesAt(fetching.cache.directory)) < fetching.reserveBytes / 2)
      throw await diskFull(fetching.cache.directory, 'pull an image');
  };
}

/** Runs `work`, and `check` beside it now and then; what `check` throws ends the work and is what is thrown. */
export async function whileWatched(
  work: (signal: AbortSignal) => Promise<void>,
  check: () => Promise<void>,
  signal: AbortSignal,
  everyMs = CHECK_MS,
): Promise<void> {
  const checkFailed = new AbortController();
  const workEnded = new AbortController();
  const watching = (async () => {
    while (!workEnded.signal.aborted) {
      await check();
      await sleep(everyMs, undefined, { signal: workEnded.signal }).catch(() => undefined);
    }
  })();
  const watched = watching.catch((error: unknown) => {
    checkFailed.abort(error);
  });
  try {
    await work(AbortSignal.any([signal, checkFailed.signal]));
  } catch (error) {
    throw checkFailed.signal.aborted ? checkFailed.signal.reason : error;
  } finally {
    workEnded.abort();
    await watched;
  }
}

/** skopeo writes each blob under `blobs/sha256`, first as `oci-put-blob…` beside it. */
async function bytesIn(layout: string): Promise<number> {
  let bytes = 0;
  for (const directory of [layout, `${layout}/blobs/sha256`]) {
    for (const name of await readdir(directory).catch(() => [])) {
      const file = await statIfThere(`${directory}/${name}`);
      bytes += file?.isFile() === true ? file.size : 0;
    }
  }
  return bytes;
}
