import type { Fate } from '../errors.ts';
import { fateOf, messageOf, reasonOf } from '../errors.ts';
import type { Plan } from './verdict.ts';

/** How one pass over an instance ended. */
export type Outcome =
  { readonly is: 'planned'; readonly plan: Plan } | { readonly is: 'failed'; readonly failure: Failure };

/** An error as the user is told of it. */
export type Failure = { readonly fate: Fate; readonly reason: string; readonly message: string };

export function failureOf(error: unknown): Failure {
  const fate = fateOf(error);
  if (fate === 'bug')
    return {
      fate,
      reason: 'InternalError',
      message: `internal error, see the controller's log: ${messageOf(error)}`,
    };
  return { fate, reason: reasonOf(error), message: messageOf(error) };
}
