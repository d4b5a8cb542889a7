import type { ImageState } from '../../machine/image.ts';
import { argvFor } from '../boot-for.ts';
import { HOST_MENDED_MS } from '../patience.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, stuck, waiting } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';

/** What a start will be told: the environment and the program. */

export const environmentKnown: Rung<RecordedWorld> = ({ desired: { environment } }) =>
  environment.is === 'ready' ? met : waiting(environment.reason, environment.message, HOST_MENDED_MS);

export const programKnown: Rung<RecordedWorld> = (world) => programOf(world, world.image);

export function programOf({ desired }: RecordedWorld, image: ImageState): Verdict {
  if (image.state !== 'ready' || argvFor(desired.instance.spec, image.config).length > 0) return met;
  return stuck(
    'NoCommand',
    'neither the image nor the spec names a program: set spec.entrypoint or spec.cmd',
  );
}
