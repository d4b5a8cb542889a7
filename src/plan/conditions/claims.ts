import type { Outcome } from '../outcome.ts';
import type { World } from '../world.ts';
import type { Claim } from './claim.ts';
import { credentialsClaims } from './credentials-synced.ts';
import { egressClaims } from './egress-enforced.ts';
import { progressClaims } from './progress.ts';
import { readyClaim } from './ready.ts';
import { runningClaim } from './running.ts';
import { upToDateClaim } from './up-to-date.ts';

/**
 * Everything that is said of an instance: three from the first sight on, two more while mediation and credentials
 * are declared, and Reconciling or Stalled while true.
 */
export function claimsOf(world: World, outcome: Outcome): readonly Claim[] {
  const mediation = [...egressClaims(world), ...credentialsClaims(world)];
  return [
    readyClaim(world, outcome, mediation),
    runningClaim(world),
    upToDateClaim(world),
    ...mediation,
    ...progressClaims(world, outcome),
  ];
}
