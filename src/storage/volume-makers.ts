import { messageOf, reasonOf } from '../errors.ts';
import type { VolumeKey } from '../machine/ids.ts';
import type { VolumeDisk, VolumeWish } from '../machine/volume.ts';
import type { Secret } from '../secrets/secret.ts';
import { makeVolume, MAKING_PREFIX } from './make-volume.ts';
import type { UnpackImage } from './make-volume.ts';
import type { StoredVolume } from './volumes.ts';

/** What could not be made is tried again after this, then after twice as long each time: a full disk, no registry. */
const FIRST_RETRY_MS = 10_000;
const LAST_RETRY_MS = 300_000;

export type MakersOptions = {
  readonly unpackImage: UnpackImage;
  readonly onChange?: (key: VolumeKey) => void;
  readonly now?: () => number;
};

export type Makers = {
  readonly create: (wish: VolumeWish, credentials?: readonly Secret[]) => Promise<void>;
  readonly tryAgain: (key: VolumeKey) => void;
  look(key: VolumeKey): VolumeDisk;
  isMaking(name: string): boolean;
  close(): Promise<void>;
};

type Job = { readonly name: string; readonly work: Promise<void>; progress?: string };
type Failure = { readonly times: number; readonly disk: VolumeDisk };

/** The volumes that are being made now; those that are done are put into `made`. */
export function openMakers(
  parent: string,
  made: Map<VolumeKey, StoredVolume>,
  { unpackImage, onChange = () => undefined, now = Date.now }: MakersOptions,
): Makers {
  const jobs = new Map<VolumeKey, Job>();
  const failures = new Map<VolumeKey, Failure>();
  const ended = new AbortController();
  const tell = (key: VolumeKey, progress: string): void => {
    const job = jobs.get(key);
    if (job === undefined || job.progress === progress) return;
    job.progress = progress;
    onChange(key);
  };
  const make = async (wish: VolumeWish, credentials: readonly Secret[] = []): Promise<void> => {
    const { key } = wish;
    const common = { createdAt: now(), unpackImage, credentials, signal: ended.signal };
    try {
      made.set(key, await makeVolume(parent, wish, { ...common, tell: tell.bind(undefined, key) }));
      failures.delete(key);
    } catch (error) {
      failures.set(key, failureOf(error, { times: (failures.get(key)?.times ?? 0) + 1, now: now() }));
      throw error;
    } finally {
      jobs.delete(key);
      onChange(key);
    }
  };
  return {
    create: async (wish, credentials) => {
      if (made.has(wish.key) || jobs.has(wish.key)) return;
      const work = make(wish, credentials);
      jobs.set(wish.key, { name: `${MAKING_PREFIX}${wish.id}`, work });
      // A failure is told by `look`.
      if (wish.source !== undefined) work.catch(() => undefined);
      else await work;
    },
    tryAgain: (key) => {
      failures.delete(key);
    },
    look: (key) => {
      const job = jobs.get(key);
      return job === undefined ? (failures.get(key)?.disk ?? { state: 'absent' }) : makingState(job);
    },
    isMaking: (name) => [...jobs.values()].some((one) => one.name === name),
    close: async () => {
      ended.abort();
      await Promise.allSettled([...jobs.values()].map(({ work }) => work));
    },
  };
}

function makingState({ progress }: Job): VolumeDisk {
  return { state: 'making', ...(progress === undefined ? {} : { progress }) };
}

function failureOf(
  error: unknown,
  { times, now }: { readonly times: number; readonly now: number },
): Failure {
  const retryAt = now + Math.min(FIRST_RETRY_MS * 2 ** Math.min(times - 1, 20), LAST_RETRY_MS);
  return { times, disk: { state: 'failed', reason: reasonOf(error), message: messageOf(error), retryAt } };
}
