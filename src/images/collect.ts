import { readdir } from 'node:fs/promises';
import { totalBytesAt } from '../host/disk-space.ts';
import { removeTree } from '../host/files.ts';
import { GONE_PREFIX, PULL_PREFIX } from './cache.ts';
import type { Cache, CacheEntry } from './cache.ts';

export type KeepPolicy = {
  /** Images that no instance has needed for this long are removed. */
  readonly unusedMs: number;
  /** Of the disk that the images lie on; above it the longest unused go first. */
  readonly diskShare: number;
};

const DAY = 24 * 3_600_000;
export const KEEP_POLICY: KeepPolicy = { unusedMs: 7 * DAY, diskShare: 0.2 };

/** An image that was just pulled is about to be pinned by somebody: it is used, though nobody says so yet. */
const SETTLING_MS = 15 * 60_000;

export type Collecting = {
  readonly cache: Cache;
  readonly policy: KeepPolicy;
  readonly now: number;
  readonly isInUse: (digest: string) => boolean;
  /** Directories of pulls that run now. */
  readonly rooms: ReadonlySet<string>;
};

/** Removes what the policy does not keep; returns the digests and paths that went. */
export async function collectImages(collecting: Collecting): Promise<readonly string[]> {
  const { cache, policy, now, isInUse } = collecting;
  const gone: string[] = [...(await removeLeftOvers(cache.directory, collecting.rooms))];
  const images = await cache.list();
  for (const { digest } of images) if (isInUse(digest)) await cache.touch(digest, now);
  const maxBytes = policy.diskShare * (await totalBytesAt(cache.directory));
  for (const digest of imagesToRemove(images, { now, maxBytes, unusedMs: policy.unusedMs, isInUse })) {
    if (isInUse(digest)) continue;
    await cache.remove(digest);
    gone.push(digest);
  }
  return gone;
}

/** The digests that the policy does not keep, the longest unused first. */
export function imagesToRemove(
  images: readonly CacheEntry[],
  rule: {
    readonly now: number;
    readonly maxBytes: number;
    readonly unusedMs: number;
    readonly isInUse: (digest: string) => boolean;
  },
): readonly string[] {
  const free = images
    .filter(({ digest, lastUsedAt }) => !rule.isInUse(digest) && rule.now - lastUsedAt > SETTLING_MS)
    .sort((a, b) => a.lastUsedAt - b.lastUsedAt);
  let bytes = images.reduce((sum, image) => sum + image.bytes, 0);
  const out: string[] = [];
  for (const image of free) {
    if (rule.now - image.lastUsedAt <= rule.unusedMs && bytes <= rule.maxBytes) continue;
    out.push(image.digest);
    bytes -= image.bytes;
  }
  return out;
}

/** A tool that outlived its controller may still write into a room: what resists now goes next time. */
async function removeLeftOvers(directory: string, rooms: ReadonlySet<string>): Promise<readonly string[]> {
  const gone: string[] = [];
  for (const name of await readdir(directory)) {
    const path = `${directory}/${name}`;
    const isOurs = name.startsWith(PULL_PREFIX) || name.startsWith(GONE_PREFIX);
    if (!isOurs || rooms.has(path)) continue;
    const removed = await removeTree(path).then(
      () => true,
      () => false,
    );
    if (removed) gone.push(path);
  }
  return gone;
}
