import { fillPolicy } from '../egress/fill-policy.ts';
import { revisionOf } from '../egress/revision.ts';
import type { Action } from '../plan/action.ts';
import type { Hands } from './hands.ts';
import { recordFor, valuesChanged } from './planned-values.ts';

/**
 * Puts a policy in force with the values that are declared now, and only when they are the planned ones; so is that
 * some are missing.
 */
export async function putPolicy(
  hands: Hands,
  { policy: shape, revision }: Extract<Action, { kind: 'put-policy' }>,
): Promise<void> {
  const { identity } = recordFor(hands, shape.key, 'to put a policy for');
  const { policy } = fillPolicy(shape, await hands.environmentOf(shape.key));
  if (revisionOf(policy, identity.salt) !== revision) throw valuesChanged();
  await hands.egress.put(policy, revision);
}
