import type { InstanceEvent } from '../api/reported.ts';
import type { Condition, InstanceStatus } from '../api/status.ts';

type Words = Pick<InstanceEvent, 'type' | 'reason' | 'message'>;
type Change = (before: InstanceStatus, after: InstanceStatus) => Words | undefined;

const NOTHING: InstanceStatus = { observedGeneration: 0, conditions: [] };

/** What happened between two statuses, for `describe`: each thing once, when it happens. */
export function eventsOf(
  previous: InstanceStatus | undefined,
  status: InstanceStatus,
  now: number,
): readonly InstanceEvent[] {
  return CHANGES.map((change) => change(previous ?? NOTHING, status))
    .filter((words) => words !== undefined)
    .map((words) => ({ ...words, at: now }));
}

const created: Change = (before, after) =>
  after.id === undefined || after.id === before.id
    ? undefined
    : normal('Created', `recorded as ${after.id}, address ${after.network?.ip ?? 'none'}`);

const imagePinned: Change = (before, after) =>
  after.image === undefined || after.image === before.image ? undefined : normal('ImagePinned', after.image);

const ended: Change = (before, after) => {
  if (after.exitMessage === undefined) return undefined;
  const isSame = after.exitMessage === before.exitMessage && after.startedAt === before.startedAt;
  if (isSame) return undefined;
  const isSuccess = after.exitCode === undefined || after.exitCode === 0;
  return { type: isSuccess ? 'Normal' : 'Warning', reason: 'Exited', message: after.exitMessage };
};

const stopped: Change = (before, after) => {
  if (after.stoppedAt === undefined || after.stoppedAt === before.stoppedAt) return undefined;
  const running = conditionOf(after, 'Running');
  // Told with its reason when it is seen.
  if (running?.reason === 'MemoryLost') return undefined;
  if (running?.reason === 'Crashed') return warning('Crashed', running.message);
  return normal('MachineEnded', 'the machine is gone');
};

const started: Change = (before, after) => {
  if (after.startedAt === undefined || after.startedAt === before.startedAt) return undefined;
  return before.startedAt === undefined
    ? normal('Started', `the machine was started by ${after.hypervisor ?? 'its hypervisor'}`)
    : normal('Restarted', 'the machine was started again');
};

const programStarted: Change = (before, after) => {
  const isNews =
    conditionOf(after, 'Running')?.status === 'True' && conditionOf(before, 'Running')?.status !== 'True';
  if (!isNews) return undefined;
  return after.startedAt !== undefined && before.hasSnapshot === true && before.startedAt === after.startedAt
    ? normal('Restored', 'the program goes on from its standby')
    : normal('ProgramStarted', 'the program runs');
};

const forked: Change = (before, after) => {
  const { completedAt, source = '', sourcePauseMs } = after.fork ?? {};
  if (completedAt === undefined || completedAt === before.fork?.completedAt) return undefined;
  const pause = sourcePauseMs === undefined ? '' : `, which stood still for ${sourcePauseMs} ms`;
  return normal('Forked', `it is itself now, forked from ${source}${pause}`);
};

const suspended: Change = (before, after) =>
  after.state === 'Standby' && before.state !== 'Standby'
    ? normal('Suspended', 'in standby: the memory of the guest is kept on disk')
    : undefined;

/** While it runs: a start with another size tells no more of it than of anything else. */
const grown: Change = (before, after) => {
  const isLive =
    before.state === 'Running' && after.state === 'Running' && before.startedAt === after.startedAt;
  return isLive && after.size !== undefined && after.size !== before.size
    ? normal('MemoryAdded', `the guest has ${after.size} of memory now, and runs on`)
    : undefined;
};

/** What a user asked for, and is told of all the same. */
const memoryDiscarded: Change = (before, after) =>
  before.hasSnapshot === true && after.hasSnapshot === false && after.state === 'Stopped'
    ? discardedUnlessLost(after)
    : undefined;

function discardedUnlessLost(after: InstanceStatus): Words | undefined {
  const isLost = [conditionOf(after, 'Running'), conditionOf(after, 'Reconciling')].some(
    (each) => each?.reason === 'MemoryLost',
  );
  return isLost ? undefined : normal('MemoryDiscarded', 'the memory of the standby was given up');
}

/** Pulling, a stop, a loop: what the instance is at or waits for, whenever that becomes another thing. */
const progress: Change = (before, after) => {
  const now = conditionOf(after, 'Reconciling');
  if (
    now === undefined ||
    UNEVENTFUL.has(now.reason) ||
    conditionOf(before, 'Reconciling')?.reason === now.reason
  )
    return undefined;
  return { type: BUSINESS.has(now.reason) ? 'Normal' : 'Warning', reason: now.reason, message: now.message };
};

/** Steps that another event tells better, or nobody needs to hear of. */
const UNEVENTFUL = new Set([
  ...['Creating', 'Preparing', 'Starting', 'Booting', 'Exited', 'Ended', 'Suspending', 'Restoring'],
  ...['Pending', 'ProxyUnavailable', 'Forking', 'Growing'],
]);
const BUSINESS = new Set(['ImagePull', 'ImageChanged', 'Stopping', 'Restarting', 'Deleting']);

const stalled: Change = (before, after) => {
  const now = conditionOf(after, 'Stalled');
  const then = conditionOf(before, 'Stalled');
  if (now === undefined || (then?.reason === now.reason && then.message === now.message)) return undefined;
  return warning(now.reason, now.message);
};

const pending: Change = (before, after) => {
  const now = conditionOf(after, 'UpToDate');
  if (now?.status !== 'False' || now.message === conditionOf(before, 'UpToDate')?.message) return undefined;
  if (UNEVENTFUL.has(now.reason)) return undefined;
  return normal(now.reason, now.message);
};

const rotated: Change = (before, after) => {
  const generations = new Map(before.credentials?.map(({ name, generation }) => [name, generation]));
  const names = (after.credentials ?? [])
    .filter(({ name, generation }) => generation > (generations.get(name) ?? generation))
    .map(({ name }) => name);
  return names.length === 0
    ? undefined
    : normal('CredentialRotated', `${names.join(', ')}: the new value is in use`);
};

/** Mediation that was lost under a guest, and that it is back. A wait for a first one is told by what waits. */
const enforcement: Change = (before, after) => {
  const now = conditionOf(after, 'EgressEnforced');
  const then = conditionOf(before, 'EgressEnforced') ?? UNTOLD;
  if (now === undefined || now.reason === then.reason) return undefined;
  if (now.reason === 'ProxyUnavailable') return warning(now.reason, now.message);
  if (now.reason === 'NotGuarded' && then.status === 'True') return warning('EgressLost', now.message);
  const isBack = now.status === 'True' && then.status === 'False' && then.reason !== 'Pending';
  return isBack ? normal('EgressEnforced', now.message) : undefined;
};

const UNTOLD = { status: 'Unknown', reason: '' };

/** In the order in which they happen within one pass. */
const CHANGES: readonly Change[] = [
  created,
  imagePinned,
  pending,
  ended,
  memoryDiscarded,
  stopped,
  progress,
  started,
  forked,
  programStarted,
  suspended,
  grown,
  enforcement,
  rotated,
  stalled,
];

function conditionOf({ conditions }: InstanceStatus, type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

function normal(reason: string, message: string): Words {
  return { type: 'Normal', reason, message };
}

function warning(reason: string, message: string): Words {
  return { type: 'Warning', reason, message };
}
