import { HypemanError } from '../errors.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { InstanceRecord } from '../machine/record.ts';
import type { Hands } from './hands.ts';

/** A plan names values by digests; the hands fetch them, and go on only with those that were meant. */

/** Throws `RecordMissing`: an instance is on record before anything is done for it; `purpose` ends the sentence. */
export function recordFor(
  { storage }: Pick<Hands, 'storage'>,
  key: InstanceKey,
  purpose: string,
): InstanceRecord {
  const record = storage.recordOf(key);
  if (record !== undefined) return record;
  throw new HypemanError('bug', 'RecordMissing', `no record of ${key} ${purpose}`);
}

/** They cannot be had now; they could when the plan was made. */
export function valuesMissing({
  reason,
  message,
}: {
  readonly reason: string;
  readonly message: string;
}): HypemanError {
  return new HypemanError('transient', reason, message);
}

/** They are others by now: the next look sees them. */
export function valuesChanged(): HypemanError {
  return new HypemanError(
    'transient',
    'EnvironmentChanged',
    'the environment changed since it was looked at',
  );
}
