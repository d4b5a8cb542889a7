import { randomBytes } from 'node:crypto';
import { chmod, chown, readdir, rename, utimes, writeFile } from 'node:fs/promises';
import type { Roots } from '../machine/paths.ts';
import type { ImageConfig } from '../machine/image.ts';
import { ensureDirectory, readIfThere, removeTree, statIfThere, syncDirectory } from '../host/files.ts';
import { isDigest } from './reference.ts';

export type CachedImage = {
  readonly digest: string;
  readonly rootDisk: string;
  readonly rootDiskBytes: number;
  readonly config: ImageConfig;
};

export type CacheEntry = { readonly digest: string; readonly bytes: number; readonly lastUsedAt: number };

/** Names in the images directory that are no image: a pull's room, and an image on its way out. */
export const PULL_PREFIX = '.pull-';
export const GONE_PREFIX = '.gone-';

const MANIFEST = 'manifest.json';
const ROOT_DISK = 'root.erofs';

/**
 * The unpacked images on disk: `<state>/images/sha256-<hex>/` with `root.erofs` and `manifest.json`. A directory gets
 * that name when everything in it is durable, so what is found is whole.
 */
export type Cache = {
  readonly directory: string;
  find(digest: string): Promise<CachedImage | undefined>;
  /** Takes a root disk made elsewhere on this filesystem, in `room`, a directory that may be used for it. */
  install(image: NewImage, room: string): Promise<CachedImage>;
  /** Says that an image is used now. */
  touch(digest: string, at: number): Promise<void>;
  list(): Promise<readonly CacheEntry[]>;
  remove(digest: string): Promise<void>;
};

export type NewImage = { readonly digest: string; readonly rootDisk: string; readonly config: ImageConfig };

/** Root and the group of all VMMs read here; nobody else can pass. */
export async function openCache(roots: Roots, sharedGid: number): Promise<Cache> {
  const directory = `${roots.state}/images`;
  await ensureDirectory(directory, 0o700);
  await giveTo(directory, sharedGid, 0o750);
  const pathOf = (digest: string): string => `${directory}/${digest.replace(':', '-')}`;
  const remove = async (digest: string): Promise<void> => {
    const gone = `${directory}/${GONE_PREFIX}${randomBytes(6).toString('hex')}`;
    if ((await statIfThere(pathOf(digest))) === undefined) return;
    await rename(pathOf(digest), gone);
    await removeTree(gone);
  };
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn;
    return turn;
  };
  return {
    directory,
    find: (digest) => findImage(digest, pathOf(digest)),
    install: async (image, room) => {
      const bytes = await prepare(image, room, sharedGid);
      const { digest, config } = image;
      return inTurn(async () => {
        // Fetched by two who showed different credentials: whatever runs from the first one goes on with it.
        const there = await findImage(digest, pathOf(digest));
        if (there !== undefined) return there;
        // In the way is at most a damaged one.
        await remove(digest);
        await rename(room, pathOf(digest));
        await syncDirectory(directory);
        return { digest, config, rootDisk: `${pathOf(digest)}/${ROOT_DISK}`, rootDiskBytes: bytes };
      });
    },
    touch: async (digest, at) => {
      if ((await statIfThere(pathOf(digest))) !== undefined)
        await utimes(pathOf(digest), at / 1000, at / 1000);
    },
    list: () => listImages(directory),
    remove,
  };
}

async function findImage(digest: string, path: string): Promise<CachedImage | undefined> {
  const text = await readIfThere(`${path}/${MANIFEST}`);
  if (text === undefined) return undefined;
  const rootDisk = `${path}/${ROOT_DISK}`;
  const noted = readManifest(text);
  const size = (await statIfThere(rootDisk))?.size;
  if (noted?.digest !== digest || noted.rootDiskBytes !== size) return undefined;
  return { digest, rootDisk, rootDiskBytes: size, config: noted.config };
}

async function prepare(image: NewImage, room: string, sharedGid: number): Promise<number> {
  await rename(image.rootDisk, `${room}/${ROOT_DISK}`);
  const { size } = (await statIfThere(`${room}/${ROOT_DISK}`)) ?? { size: 0 };
  const noted: Noted = { version: 1, digest: image.digest, rootDiskBytes: size, config: image.config };
  await writeFile(`${room}/${MANIFEST}`, `${JSON.stringify(noted, undefined, 2)}\n`, { flush: true });
  for (const name of [ROOT_DISK, MANIFEST]) await giveTo(`${room}/${name}`, sharedGid, 0o440);
  await syncDirectory(room);
  await giveTo(room, sharedGid, 0o750);
  return size;
}

async function listImages(directory: string): Promise<readonly CacheEntry[]> {
  const entries: CacheEntry[] = [];
  for (const name of await readdir(directory)) {
    const digest = name.replace('-', ':');
    if (!isDigest(digest)) continue;
    const used = await statIfThere(`${directory}/${name}`);
    const disk = await statIfThere(`${directory}/${name}/${ROOT_DISK}`);
    if (used !== undefined)
      entries.push({ digest, bytes: (disk?.blocks ?? 0) * 512, lastUsedAt: used.mtimeMs });
  }
  return entries;
}

async function giveTo(path: string, gid: number, mode: number): Promise<void> {
  await chown(path, 0, gid);
  await chmod(path, mode);
}

type Noted = {
  readonly version: 1;
  readonly digest: string;
  readonly rootDiskBytes: number;
  readonly config: ImageConfig;
};

/** Ours, written whole or not at all; anything else is as good as not there and is fetched again. */
function readManifest(text: string): Noted | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isNoted(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isNoted(value: unknown): value is Noted {
  if (typeof value !== 'object' || value === null) return false;
  const { version, digest, rootDiskBytes, config } = value as Partial<Noted>;
  return (
    version === 1 &&
    typeof digest === 'string' &&
    typeof rootDiskBytes === 'number' &&
    typeof config === 'object'
  );
}
