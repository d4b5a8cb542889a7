import { messageOf, reasonOf } from '../errors.ts';
import type { AuthFiles } from './auth-files.ts';
import type { Cache, CachedImage } from './cache.ts';
import { fetchFiles, fetchImage } from './fetch.ts';
import type { ImageQuery } from './image-store.ts';
import { layoutReader } from './layout-reader.ts';
import type { Platform } from './manifest.ts';
import type { Pulled, PullWork } from './pulls.ts';
import { nameOf } from './query.ts';
import { parseReference } from './reference.ts';
import type { ImageReference } from './reference.ts';
import { registryReader } from './registry-client.ts';
import type { RegistryAccess } from './registry-client.ts';
import type { RegistryCredential } from './registry-credential.ts';
import { measure, resolveDigest } from './resolve.ts';
import type { ManifestReader } from './resolve.ts';
import type { Resolutions } from './resolutions.ts';
import { makeSlots } from './slots.ts';
import type { Slots } from './slots.ts';

export type PullTools = {
  readonly cache: Cache;
  readonly resolutions: Resolutions;
  /** The directories of running pulls, kept up to date. */
  readonly rooms: Set<string>;
  readonly now: () => number;
  readonly access: RegistryAccess;
  readonly authFiles: AuthFiles;
  readonly reserveBytes: number;
  readonly stallMs: number;
};

const DOWNLOADS_AT_ONCE = 3;
const QUESTIONS_AT_ONCE = 6;
/** A host goes on with what it has when these are the answer. A refusal or a bad certificate is no such answer. */
const AWAY = new Set(['RegistryUnreachable', 'RegistryRateLimited', 'CommandTimeout']);
const HOST_PLATFORM: Platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };

export type ImageWork = {
  /** One pull: which digest, and unless it is in the cache, its layers and its root disk. */
  readonly pull: (query: ImageQuery, credential: RegistryCredential | undefined) => PullWork;
  /** The files of an image as `directory`, from its layers, whatever is in the cache. */
  readonly unpack: (
    reference: string,
    directory: string,
    credential: RegistryCredential | undefined,
  ) => PullWork;
};

/** What is done about images; all of it shares the line. */
export function makeImageWork(tools: PullTools): ImageWork {
  const questions = makeSlots(QUESTIONS_AT_ONCE);
  const downloads = makeSlots(DOWNLOADS_AT_ONCE);
  return {
    pull: makePullWork(tools, questions, downloads),
    unpack: (text, directory, credential) => (tell, signal) =>
      withAccess(tools, credential, async (access) => {
        const reference = parseReference(text);
        const reader = readerOf(reference, access, signal);
        tell(`resolving ${text}`);
        const digest = await questions.run(() => resolveDigest(reader, HOST_PLATFORM));
        tell('waiting for other pulls');
        await downloads.run(async () => {
          const measured = await measure(reader, digest, HOST_PLATFORM);
          await fetchFiles({ reference, digest, measured }, directory, { ...tools, access, tell, signal });
        });
        return { digest };
      }),
  };
}

function makePullWork(tools: PullTools, questions: Slots, downloads: Slots): ImageWork['pull'] {
  const fetchOnce = sharedByName(downloads);
  return (query, credential) => (tell, signal) =>
    withAccess(tools, credential, async (access) => {
      const reference = parseReference(query.reference);
      const reader = readerOf(reference, access, signal);
      tell(`resolving ${query.reference}`);
      const asked = { query, credential };
      const pulled =
        query.digest === undefined
          ? await questions.run(() => resolveOrGoOn(asked, reader, tools))
          : { digest: query.digest };
      const { digest } = pulled;
      if ((await tools.cache.find(digest)) === undefined) {
        tell('waiting for other pulls');
        await fetchOnce(`${digest} ${credential?.id ?? ''}`, async () => {
          const measured = await measure(reader, digest, HOST_PLATFORM);
          return fetchImage({ reference, digest, measured }, { ...tools, access, tell, signal });
        });
      }
      await tools.cache.touch(digest, tools.now());
      return pulled;
    });
}

/** A credential goes before the host's own, and is in a file for as long as the work takes. */
function withAccess<T>(
  { access, authFiles }: PullTools,
  credential: RegistryCredential | undefined,
  work: (access: RegistryAccess) => Promise<T>,
): Promise<T> {
  if (credential === undefined) return work(access);
  return authFiles.during(credential, (authFile) => work({ ...access, authFile }));
}

function readerOf(reference: ImageReference, access: RegistryAccess, signal: AbortSignal): ManifestReader {
  return reference.from === 'layout' ? layoutReader(reference) : registryReader(reference, access, signal);
}

type Asked = { readonly query: ImageQuery; readonly credential: RegistryCredential | undefined };

/** What the registry says, or while it is away what it said last to this credential, if that is in the cache. */
async function resolveOrGoOn(
  { query, credential }: Asked,
  reader: ManifestReader,
  { resolutions, cache, now }: PullTools,
): Promise<Pulled> {
  const name = nameOf(query, credential);
  try {
    const digest = await resolveDigest(reader, HOST_PLATFORM);
    // The name of a credential means nothing to the next process.
    await resolutions.note(name, { digest, at: now() }, credential !== undefined);
    return { digest };
  } catch (error) {
    const known = resolutions.of(name);
    if (known === undefined || !AWAY.has(reasonOf(error))) throw error;
    if ((await cache.find(known.digest)) === undefined) throw error;
    const since = new Date(known.at).toISOString();
    return {
      digest: known.digest,
      note: `using ${nameOf(query)} as it was first seen at ${since}: ${messageOf(error)}`,
    };
  }
}

/** Two references to one image, asked with one credential, share its fetch and its end. A few at once: they share one line and one disk. */
function sharedByName(
  downloads: Slots,
): (name: string, work: () => Promise<CachedImage>) => Promise<CachedImage> {
  const fetches = new Map<string, Promise<CachedImage>>();
  return (name, work) => {
    const running = fetches.get(name);
    if (running !== undefined) return running;
    const fetching = downloads.run(work).finally(() => fetches.delete(name));
    fetches.set(name, fetching);
    return fetching;
  };
}
