import { HypemanError } from '../errors.ts';
import { fillPolicy } from '../egress/fill-policy.ts';
import { revisionOf } from '../egress/revision.ts';
import type { Action } from '../plan/action.ts';
import type { Hands } from './hands.ts';

/** Puts a policy in force with the values that are declared now, and only when they are the planned ones. */
export async function putPolicy(
  hands: Hands,
  { policy: shape, revision }: Extract<Action, { kind: 'put-policy' }>,
): Promise<void> {
  const record = hands.storage.recordOf(shape.key);
  if (record === undefined)
    throw new HypemanError('bug', 'RecordMissing', `no record of ${shape.key} to put a policy for`);
  const environment = await hands.environmentOf(shape.key);
  if (environment.is === 'missing' && shape.grants.length > 0)
    throw new HypemanError('transient', environment.reason, environment.message);
  const filled = fillPolicy(shape, environment.is === 'ready' ? environment.values : {});
  if (filled.is === 'missing') throw new HypemanError('transient', filled.reason, filled.message);
  if (revisionOf(filled.policy, record.identity.salt) !== revision)
    throw new HypemanError(
      'transient',
      'EnvironmentChanged',
      'the environment changed since it was looked at',
    );
  await hands.egress.put(filled.policy, revision);
}
