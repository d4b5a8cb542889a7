import type { ImageState } from '../../machine/image.ts';
import { argvFor } from '../boot-for.ts';
import { policyWanted } from '../mediation.ts';
import { HOST_MENDED_MS } from '../patience.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, stuck, waiting } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';

/** What a start will be told: the environment, the credentials and the program. */

export const environmentKnown: Rung<RecordedWorld> = ({ desired: { environment } }) =>
  environment.is === 'ready' ? met : waiting(environment.reason, environment.message, HOST_MENDED_MS);

/** What the proxy is to hold for it. */
export const credentialsKnown: Rung<RecordedWorld> = (world) => {
  const { credentials } = world.desired;
  if (policyWanted(world) === undefined || credentials.is === 'ready') return met;
  const { reason, message } = credentials.is === 'missing' ? credentials : UNKNOWN;
  return waiting(reason, message, HOST_MENDED_MS);
};

const UNKNOWN = { reason: 'Pending', message: 'what the egress proxy is to hold is not known yet' };

export const programKnown: Rung<RecordedWorld> = (world) => programOf(world, world.image);

export function programOf({ desired }: RecordedWorld, image: ImageState): Verdict {
  if (image.state !== 'ready' || argvFor(desired.instance.spec, image.config).length > 0) return met;
  return stuck(
    'NoCommand',
    'neither the image nor the spec names a program: set spec.entrypoint or spec.cmd',
  );
}
