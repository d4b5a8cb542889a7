import type { InstanceStatus } from './api/status.ts';
import type { InstanceKey } from './machine/ids.ts';
import { eventsOf } from './plan/events.ts';
import { statusOf, statusUnseen } from './plan/status.ts';
import type { Seen } from './reconcile/reconcile.ts';
import type { Source } from './sources/source.ts';

/** Tells the source what one pass saw: the status, and what happened since the last one. */
export function openVoice(
  source: Source,
  now: () => number,
): (key: InstanceKey, seen: Seen) => Promise<void> {
  return async (key, seen) => {
    const previous = source.lastStatus(key);
    const status = statusFrom(seen, previous, now());
    if (status !== undefined) await source.report(key, status, eventsOf(previous, status, now()));
  };
}

function statusFrom(
  { world, outcome }: Seen,
  previous: InstanceStatus | undefined,
  now: number,
): InstanceStatus | undefined {
  if (world !== undefined) return statusOf(world, outcome, previous);
  return outcome.is === 'failed' ? statusUnseen(previous, outcome.failure, now) : undefined;
}
