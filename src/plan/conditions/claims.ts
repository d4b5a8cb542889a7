import type { Outcome } from '../outcome.ts';
import type { World } from '../world.ts';
import type { Claim } from './claim.ts';
import { progressClaims } from './progress.ts';
import { readyClaim } from './ready.ts';
import { runningClaim } from './running.ts';
import { upToDateClaim } from './up-to-date.ts';

/** Everything that is said of an instance: three from the first sight on, and Reconciling or Stalled while true. */
export function claimsOf(world: World, outcome: Outcome): readonly Claim[] {
  return [
    readyClaim(world, outcome),
    runningClaim(world),
    upToDateClaim(world),
    ...progressClaims(world, outcome),
  ];
}
