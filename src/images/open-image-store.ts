import { HypemanError } from '../errors.ts';
import type { ImageState } from '../machine/image.ts';
import type { Roots } from '../machine/paths.ts';
import { openCache } from './cache.ts';
import type { Cache, CachedImage } from './cache.ts';
import { openAuthFiles } from './auth-files.ts';
import { collectImages, KEEP_POLICY } from './collect.ts';
import type { KeepPolicy } from './collect.ts';
import type { ImageListener, ImageQuery, ImageStore } from './image-store.ts';
import { credentialIn, digestIn, nameOf, parsed } from './query.ts';
import type { RegistryCredential } from './registry-credential.ts';
import { makeImageWork } from './pull-work.ts';
import { Pulls } from './pulls.ts';
import type { PullOutcome } from './pulls.ts';
import { openResolutions } from './resolutions.ts';
import type { Resolutions } from './resolutions.ts';

export type ImageStoreOptions = {
  readonly roots: Roots;
  /** The group of all VMMs: may read what is unpacked here. */
  readonly sharedGid: number;
  readonly onChange: ImageListener;
  readonly now?: () => number;
  /** A docker config.json with credentials; `/root/.docker/config.json` unless told. Need not exist. */
  readonly authFile?: string;
  /** Certificates for every registry, in place of /etc/containers/certs.d. */
  readonly certDirectory?: string;
  readonly policy?: KeepPolicy;
  /** Free disk that pulls leave alone; 512 MiB unless told. */
  readonly reserveBytes?: number;
  /** How long a transfer may stand still; a minute unless told. */
  readonly stallMs?: number;
};

/**
 * How long the answer to "which image is this tag now" is taken for granted: long enough for the pin that
 * follows a pull, and for a burst of instances; short enough that a new instance gets a tag as it is now.
 */
const FRESH_MS = 30_000;
const DOCKER_CREDENTIALS = '/root/.docker/config.json';
const RESERVE_BYTES = 512 * 1024 ** 2;
const STALL_MS = 60_000;

/** Opens the image cache under `<state>/images`, which it makes when it is missing. Needs root. */
export async function openImageStore(options: ImageStoreOptions): Promise<ImageStore> {
  const { now = Date.now, policy = KEEP_POLICY, authFile = DOCKER_CREDENTIALS, certDirectory } = options;
  const cache = await openCache(options.roots, options.sharedGid);
  const resolutions = await openResolutions(cache.directory);
  const pulls = new Pulls({ onChange: options.onChange, now });
  const rooms = new Set<string>();
  const authFiles = openAuthFiles(options.roots);
  const work = makeImageWork({
    cache,
    resolutions,
    rooms,
    now,
    authFiles,
    access: { authFile, ...(certDirectory === undefined ? {} : { certDirectory }) },
    reserveBytes: options.reserveBytes ?? RESERVE_BYTES,
    stallMs: options.stallMs ?? STALL_MS,
  });
  return {
    look: (query) => look(query, { cache, resolutions, pulls, now }),
    pull: (query) => {
      const credential = credentialIn(query);
      // `look` tells what is wrong with one that cannot be read.
      if (credential instanceof HypemanError) return;
      pulls.start(nameOf(query, credential), query.reference, work.pull(query, credential));
    },
    unpack: async (reference, { directory, credentials = [], tell, signal }) => {
      const credential = credentialIn({ reference, credentials });
      if (credential instanceof HypemanError) throw credential;
      return work.unpack(reference, directory, credential)(tell, signal);
    },
    collect: async (isInUse) => {
      await authFiles.collect();
      const gone = await collectImages({ cache, policy, now: now(), isInUse, rooms });
      const kept = new Set((await cache.list()).map(({ digest }) => digest));
      await resolutions.keepOnly((digest) => kept.has(digest));
      return gone;
    },
    close: () => pulls.close(),
  };
}

type Seen = {
  readonly cache: Cache;
  readonly resolutions: Resolutions;
  readonly pulls: Pulls;
  readonly now: () => number;
};

async function look(query: ImageQuery, seen: Seen): Promise<ImageState> {
  const reference = parsed(query);
  if (reference instanceof HypemanError) return failedState('invalid', reference, Number.MAX_SAFE_INTEGER);
  const credential = credentialIn(query);
  if (!(credential instanceof HypemanError)) return lookWith(query, credential, seen);
  // What is here already needs none; for the rest another Secret is waited for.
  const unasked = await lookWith(query, undefined, seen);
  return unasked.state === 'ready' ? unasked : failedState('transient', credential, Infinity);
}

async function lookWith(
  query: ImageQuery,
  credential: RegistryCredential | undefined,
  seen: Seen,
): Promise<ImageState> {
  const name = nameOf(query, credential);
  const outcome = seen.pulls.outcomeOf(name);
  const given = query.digest ?? digestIn(query);
  const digests = given === undefined ? freshDigest(outcome, seen) : lastingDigests(given, name, seen);
  for (const digest of digests) {
    const image = await seen.cache.find(digest);
    if (image !== undefined) return readyState(image, outcome);
  }
  return outcome.is === 'pulling' || outcome.is === 'failed' ? outcome.state : { state: 'absent' };
}

function failedState(
  fate: 'invalid' | 'transient',
  { reason, message }: HypemanError,
  retryAt: number,
): ImageState {
  return { state: 'failed', fate, reason, message, retryAt };
}

function readyState({ digest, rootDisk, config }: CachedImage, outcome: PullOutcome): ImageState {
  const ready = { state: 'ready', digest, rootDisk, config } as const;
  if (outcome.is !== 'done' || outcome.digest !== digest || outcome.note === undefined) return ready;
  return { ...ready, note: outcome.note };
}

function freshDigest(outcome: PullOutcome, { now }: Seen): readonly string[] {
  return outcome.is === 'done' && now() - outcome.at < FRESH_MS ? [outcome.digest] : [];
}

/** What a digest names never changes; that of an index stands for the image of this host's platform. */
function lastingDigests(given: string, name: string, { resolutions }: Seen): readonly string[] {
  const behind = resolutions.of(name)?.digest;
  return behind === undefined ? [given] : [given, behind];
}
