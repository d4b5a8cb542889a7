import type { Condition } from '../../api/status.ts';
import { timeText } from '../patience.ts';

/** A condition before it is known since when. */
export type Claim = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export function claim(type: string, status: Condition['status'], reason: string, message: string): Claim {
  return { type, status, reason, message };
}

/** metav1.Condition holds this many characters of message. */
const LONGEST_MESSAGE = 32_768;

/** `lastTransitionTime` moves only when the status of that condition does. */
export function stamped(
  claims: readonly Claim[],
  previous: readonly Condition[],
  now: number,
  observedGeneration: number,
): readonly Condition[] {
  return claims.map((each) => {
    const before = previous.find(({ type }) => type === each.type);
    const lastTransitionTime = before?.status === each.status ? before.lastTransitionTime : timeText(now);
    const message = each.message.slice(0, LONGEST_MESSAGE);
    return { ...each, message, lastTransitionTime, observedGeneration };
  });
}
