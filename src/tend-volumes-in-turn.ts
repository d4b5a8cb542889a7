import { tendVolumes } from './act/tend-volumes.ts';
import type { VolumeWords } from './act/tend-volumes.ts';
import type { Logger } from './log.ts';
import type { VolumeKey } from './machine/ids.ts';
import type { Roots } from './machine/paths.ts';
import { userText } from './machine/volume.ts';
import type { Volumes } from './storage/volumes.ts';

type Tended = {
  readonly volumes: Volumes;
  readonly words: VolumeWords;
  readonly roots: Roots;
  /** Somebody has let go of it: whoever waits for it may have it now. */
  readonly onFreed: (key: VolumeKey) => void;
};

/** Many rings at once are one round; one that comes during a round is another after it. */
export function openVolumeTender(tended: Tended, log: Logger): { ring(): void; settled(): Promise<void> } {
  let round: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const freed = watchUsers(tended.volumes);
  const tend = async (): Promise<void> => {
    try {
      for (const key of freed()) tended.onFreed(key);
      const { gone, failed } = await tendVolumes(tended);
      if (gone.length > 0) log.info({ gone }, 'volumes removed');
      for (const { key, error } of failed) log.error({ volume: key, err: error }, 'tending a volume failed');
    } catch (error) {
      log.error({ err: error }, 'tending volumes failed');
    }
  };
  const begin = (): Promise<void> => {
    next = undefined;
    round = tend();
    return round;
  };
  return {
    ring: () => {
      next ??= (round ?? Promise.resolve()).then(begin);
    },
    settled: async () => {
      await (next ?? round);
    },
  };
}

/** Each time it is asked: the volumes that somebody had the last time, and has no more, or not in that way. */
function watchUsers(volumes: Pick<Volumes, 'all' | 'usersOf'>): () => readonly VolumeKey[] {
  let before = new Map<VolumeKey, readonly string[]>();
  return () => {
    const now = new Map(volumes.all().map(({ key }) => [key, volumes.usersOf(key).map(userText)]));
    const freed = [...before].filter(([key, users]) =>
      users.some((user) => now.get(key)?.includes(user) !== true),
    );
    before = now;
    return freed.map(([key]) => key);
  };
}
