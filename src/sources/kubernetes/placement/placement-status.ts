import { listOf, textAt } from '../../../api/raw.ts';
import type { Mapping } from '../../../api/raw.ts';
import type { Condition } from '../../../api/status.ts';
import type { InstanceSight } from './instance-sight.ts';
import type { Saying } from './placement-step.ts';

/** `Instance.status` as it is written from here: with whatever an agent had told before, if that stays true. */
export type PlacementStatus = Mapping & { readonly conditions: readonly Condition[] };

type Claim = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

const LONGEST_MESSAGE = 32_768;

/** Of an Instance that no node has: nothing that an earlier node told is true any more. */
export function statusWaiting(
  { status, generation }: InstanceSight,
  { is, reason, message, scheduled }: Saying,
  now: number,
): PlacementStatus {
  const claims: readonly Claim[] = [
    { type: 'Ready', status: 'False', reason, message },
    { type: 'Running', status: 'False', reason: 'NotStarted', message: 'no node has it' },
    { type: 'UpToDate', status: 'True', reason: 'UpToDate', message: 'the next start is what the spec says' },
    { type: 'Scheduled', ...scheduled },
    { type: is === 'stalled' ? 'Stalled' : 'Reconciling', status: 'True', reason, message },
  ];
  return { observedGeneration: generation, conditions: stamped(claims, status, generation, now) };
}

/** Of an Instance that was just taken from a node. */
export function statusLetGo(instance: InstanceSight, node: string, now: number): PlacementStatus {
  const [reason, message] = ['Scheduling', `node ${node} is gone for good: another is looked for`];
  const scheduled = { status: 'False', reason, message } as const;
  return statusWaiting(instance, { is: 'waiting', reason, message, scheduled }, now);
}

/** Of an Instance whose node is not heard of: what it last told may be so no more. */
export function statusUnheard(
  { status }: InstanceSight,
  { reason, message }: { readonly reason: string; readonly message: string },
  now: number,
): PlacementStatus {
  const generation = Number(status.observedGeneration ?? 0);
  const doubted = ['Ready', 'Running'].map((type) => ({ type, status: 'Unknown', reason, message }) as const);
  const replaced = new Set(['Ready', 'Running', 'Reconciling', 'Stalled']);
  const kept = conditionsIn(status).filter(({ type }) => !replaced.has(type));
  const progress = { type: 'Reconciling', status: 'True', reason, message } as const;
  return {
    ...status,
    observedGeneration: generation,
    state: 'Unknown',
    stateError: message,
    conditions: stamped([...doubted, ...kept, progress], status, generation, now),
  };
}

/** `lastTransitionTime` moves only when the status of that condition does. */
function stamped(
  claims: readonly Claim[],
  before: Mapping,
  observedGeneration: number,
  now: number,
): readonly Condition[] {
  const known = conditionsIn(before);
  return claims.map(({ type, status, reason, message }) => {
    const last = known.find((each) => each.type === type);
    const lastTransitionTime = last?.status === status ? last.lastTransitionTime : timeText(now);
    const told = message.slice(0, LONGEST_MESSAGE);
    return { type, status, reason, message: told, lastTransitionTime, observedGeneration };
  });
}

function conditionsIn(status: Mapping): readonly Condition[] {
  return listOf(status.conditions).filter(isCondition);
}

/** The schema has been over it. */
function isCondition(value: unknown): value is Condition {
  return textAt(value, ['type']) !== undefined && textAt(value, ['lastTransitionTime']) !== undefined;
}

/** RFC 3339 with seconds, as Kubernetes writes time. */
function timeText(now: number): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
}
