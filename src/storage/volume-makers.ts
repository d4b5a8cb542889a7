import { messageOf, reasonOf } from '../errors.ts';
import type { VolumeKey } from '../machine/ids.ts';
import type { VolumeDisk, VolumeWish } from '../machine/volume.ts';
import { makeVolume, MAKING_PREFIX } from './make-volume.ts';
import type { StoredVolume } from './volumes.ts';

/** What could not be made is tried again after this: a disk that was full, an archive that was not there. */
const RETRY_MS = 10_000;

export type MakersOptions = {
  readonly onChange?: (key: VolumeKey) => void;
  readonly now?: () => number;
};

/** The volumes that are being made now; those that are done are put into `made`. */
export function openMakers(
  parent: string,
  made: Map<VolumeKey, StoredVolume>,
  { onChange, now = Date.now }: MakersOptions,
): {
  create(wish: VolumeWish): Promise<void>;
  look(key: VolumeKey): VolumeDisk;
  isMaking(name: string): boolean;
  close(): Promise<void>;
} {
  const making = new Map<VolumeKey, { readonly name: string; readonly work: Promise<void> }>();
  const failed = new Map<VolumeKey, VolumeDisk>();
  const ended = new AbortController();
  const make = async (wish: VolumeWish): Promise<void> => {
    try {
      made.set(wish.key, await makeVolume(parent, wish, { createdAt: now(), signal: ended.signal }));
      failed.delete(wish.key);
    } catch (error) {
      const retryAt = now() + RETRY_MS;
      failed.set(wish.key, { state: 'failed', reason: reasonOf(error), message: messageOf(error), retryAt });
      throw error;
    } finally {
      making.delete(wish.key);
      onChange?.(wish.key);
    }
  };
  return {
    create: async (wish) => {
      if (made.has(wish.key) || making.has(wish.key)) return;
      const work = make(wish);
      making.set(wish.key, { name: `${MAKING_PREFIX}${wish.id}`, work });
      // A failure is told by `look`.
      if (wish.archive !== undefined) work.catch(() => undefined);
      else await work;
    },
    look: (key) => (making.has(key) ? { state: 'making' } : (failed.get(key) ?? { state: 'absent' })),
    isMaking: (name) => [...making.values()].some((one) => one.name === name),
    close: async () => {
      ended.abort();
      await Promise.allSettled([...making.values()].map(({ work }) => work));
    },
  };
}
