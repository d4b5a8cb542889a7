import type { InstanceEvent } from '../../../api/reported.ts';
import type { Condition, InstanceStatus } from '../../../api/status.ts';
import type { SchedulerWords } from './awaited-pods.ts';
import { EVICTED } from './tenure.ts';
import type { Tenure } from './tenure.ts';

/** `words`: of the scheduler, about the Pod that it waits for. */
type NodeWords = { readonly nodeName: string; readonly now: number; readonly words?: SchedulerWords };

type Claim = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/**
 * A status as a pass made it, and what only this side knows: whether it has a place, and, without one, that it is
 * not what was declared. `before` is what was last reported.
 */
export function statusUnder(
  tenure: Tenure,
  status: InstanceStatus,
  before: InstanceStatus | undefined,
  { nodeName, now, words }: NodeWords,
): InstanceStatus {
  const claims = claimsOf(tenure, nodeName, words);
  const others = status.conditions.filter(({ type }) => claims.every((claim) => claim.type !== type));
  const own = claims.map((claim) => stamped(claim, status, before, now));
  const isReady = ({ type }: Condition): boolean => type === 'Ready';
  return {
    ...status,
    conditions: [...own.filter(isReady), ...others, ...own.filter((one) => !isReady(one))],
  };
}

/** That it lost its place, once, when that is first told. */
export function evictionIn(
  status: InstanceStatus,
  before: InstanceStatus | undefined,
  now: number,
): readonly InstanceEvent[] {
  const scheduled = scheduledIn(status);
  if (scheduled?.status !== 'False' || scheduledIn(before)?.status === 'False') return [];
  return [{ type: 'Warning', reason: scheduled.reason, message: scheduled.message, at: now }];
}

/** The last word of a node that gave it up: what it was there says nothing of what it will be elsewhere. */
export function statusLeft(
  status: InstanceStatus,
  { to }: Extract<Tenure, { is: 'leaving' }>,
  { nodeName, now }: { readonly nodeName: string; readonly now: number },
): InstanceStatus {
  const { observedGeneration } = status;
  const message = `it left node ${nodeName}, and waits ${to === undefined ? 'to be placed anew' : `for node ${to}`}`;
  const claims = ['Ready', 'Running', 'Scheduled'].map((type): Claim => ({
    type,
    status: 'False',
    reason: EVICTED,
    message,
  }));
  return { observedGeneration, conditions: claims.map((claim) => stamped(claim, status, status, now)) };
}

function claimsOf(tenure: Tenure, nodeName: string, words?: SchedulerWords): readonly Claim[] {
  switch (tenure.is) {
    case 'unknown':
      return [];
    case 'stopped':
      // Ready is left to say why nobody knows what it is to be.
      return evictedClaims(
        `its placeholder Pod on node ${nodeName} ended: it is stopped there, and kept`,
      ).slice(1);
    case 'misplaced':
      return [
        scheduledOn(nodeName),
        {
          type: 'UpToDate',
          status: 'False',
          reason: 'RecreateRequired',
          message: misplaced(nodeName, tenure.to),
        },
      ];
    case 'placed':
      return [scheduledOn(nodeName)];
    case 'outgrown':
      return [{ ...scheduledOn(nodeName), message: `on node ${nodeName}; ${tenure.why}` }];
    case 'parked':
      return [
        {
          type: 'Scheduled',
          status: 'True',
          reason: 'Kept',
          message: `its disk is kept on node ${nodeName}; it holds no room there while it does not run`,
        },
      ];
    case 'waiting':
      return saidBy(
        words,
        evictedClaims(
          `its placeholder Pod on node ${nodeName} ended: ${AT_REST[tenure.state]} there until it has another`,
        ),
      );
    case 'leaving':
      return tenure.to === undefined
        ? evictedClaims(
            `its placeholder Pod on node ${nodeName} ended: it is removed from there and placed anew`,
          )
        : evictedClaims(
            `spec.nodeName is ${tenure.to}: it is removed from node ${nodeName}, and begins anew there`,
          );
  }
}

/** Why there is no other yet, as the scheduler says it. */
function saidBy(words: SchedulerWords | undefined, claims: readonly Claim[]): readonly Claim[] {
  if (words === undefined) return claims;
  return claims.map((claim) =>
    claim.type === 'Scheduled'
      ? { ...claim, ...words }
      : { ...claim, message: `${claim.message}; the scheduler: ${words.message}` },
  );
}

function scheduledOn(nodeName: string): Claim {
  return { type: 'Scheduled', status: 'True', reason: 'Scheduled', message: `on node ${nodeName}` };
}

function misplaced(nodeName: string, to: string): string {
  return (
    `spec.nodeName is ${to}, and the instance is on node ${nodeName} with its disk, which does not move: to have it ` +
    `begin anew on ${to}, set updatePolicy to Recreate, or state to Stopped and then to Running; ` +
    `to keep it, set nodeName to ${nodeName}`
  );
}

const AT_REST = { Standby: 'it is in standby', Stopped: 'it is stopped', Running: 'it is stopped' } as const;

function evictedClaims(message: string): readonly Claim[] {
  return (['Ready', 'Scheduled'] as const).map((type) => ({
    type,
    status: 'False',
    reason: EVICTED,
    message,
  }));
}

/** `lastTransitionTime` moves only when the status of that condition does. */
function stamped(
  claim: Claim,
  { observedGeneration }: InstanceStatus,
  before: InstanceStatus | undefined,
  now: number,
): Condition {
  const last = before?.conditions.find(({ type }) => type === claim.type);
  const isSame = last?.status === claim.status;
  const lastTransitionTime = isSame ? last.lastTransitionTime : timeText(now);
  return { ...claim, lastTransitionTime, observedGeneration };
}

/** RFC 3339 with seconds (metav1.Time). */
function timeText(now: number): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
}

function scheduledIn(status: InstanceStatus | undefined): Condition | undefined {
  return status?.conditions.find(({ type }) => type === 'Scheduled');
}
