import type { Outcome } from '../outcome.ts';
import type { World } from '../world.ts';
import type { Claim } from './claim.ts';
import { claim } from './claim.ts';

/**
 * kstatus: Reconciling while work goes on or waits for time, Stalled when somebody has to move, neither
 * at rest and never both. A refused text stalls even while the last good one is still worked on.
 */
export function progressClaims({ desired }: World, outcome: Outcome): readonly Claim[] {
  const refused = desired.is === 'gone' ? undefined : desired.refused;
  if (refused !== undefined) return [claim('Stalled', 'True', refused.reason, refused.message)];
  const { reason, message } = outcome.is === 'planned' ? outcome.plan : outcome.failure;
  const type = TYPE[outcome.is === 'planned' ? outcome.plan.verdict : outcome.failure.fate];
  return type === undefined ? [] : [claim(type, 'True', reason, message)];
}

const TYPE = {
  rest: undefined,
  unmet: 'Reconciling',
  waiting: 'Reconciling',
  transient: 'Reconciling',
  stuck: 'Stalled',
  invalid: 'Stalled',
  bug: 'Stalled',
} as const;
