import { tendVolumes } from './act/tend-volumes.ts';
import type { VolumeWords } from './act/tend-volumes.ts';
import type { Logger } from './log.ts';
import type { Roots } from './machine/paths.ts';
import type { Volumes } from './storage/volumes.ts';

/** Many rings at once are one round; one that comes during a round is another after it. */
export function openVolumeTender(
  tended: { readonly volumes: Volumes; readonly words: VolumeWords; readonly roots: Roots },
  log: Logger,
): { ring(): void; settled(): Promise<void> } {
  let round: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const tend = async (): Promise<void> => {
    try {
      const gone = await tendVolumes(tended);
      if (gone.length > 0) log.info({ gone }, 'volumes removed');
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
