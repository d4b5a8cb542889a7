import type { InstanceStatus } from './api/status.ts';
import type { InstanceKey } from './machine/ids.ts';
import { eventsOf } from './plan/events.ts';
import { statusOf, statusUnseen } from './plan/status.ts';
import type { Seen } from './reconcile/reconcile.ts';
import type { Source } from './sources/source.ts';

/** Where an instance stands, in one line for somebody who watches. */
export type Announce = (line: string) => void;

/**
 * Tells the source what one pass saw: the status, and what happened since the last one. `announce` hears
 * each change of what Ready says: the progress of pulls and boots.
 */
export function openVoice(
  source: Source,
  now: () => number,
  announce: Announce = () => undefined,
): (key: InstanceKey, seen: Seen) => Promise<void> {
  return async (key, seen) => {
    const previous = source.lastStatus(key);
    const status = statusFrom(seen, previous, now());
    if (status === undefined) return;
    const words = readyWords(status);
    if (words !== readyWords(previous)) announce(`${key}: ${words}`);
    await source.report(key, status, eventsOf(previous, status, now()));
  };
}

function readyWords(status: InstanceStatus | undefined): string {
  const ready = status?.conditions.find(({ type }) => type === 'Ready');
  return ready === undefined ? '' : `${ready.reason}: ${ready.message}`;
}

function statusFrom(
  { world, outcome }: Seen,
  previous: InstanceStatus | undefined,
  now: number,
): InstanceStatus | undefined {
  if (world !== undefined) return statusOf(world, outcome, previous);
  return outcome.is === 'failed' ? statusUnseen(previous, outcome.failure, now) : undefined;
}
