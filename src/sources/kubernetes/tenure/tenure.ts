import type { Instance, RunState } from '../../../api/instance.ts';
import type { InstanceStatus } from '../../../api/status.ts';
import type { Declared } from '../../source.ts';
import type { Known } from '../known-instances.ts';
import { hasEndedForGood, needsRoom, readyReasonIn } from '../placement/room.ts';
import type { Room } from '../placement/placeholder-note.ts';
import { RESIZING, resizingWords, roomLacking } from './outgrown.ts';
import { KEPT, placedBy } from './placed-instance.ts';

/** The reason for which it is not as declared, where its placeholder Pod ended. */
export const EVICTED = 'Evicted';

/** By what right an Instance is on this node now. */
export type Tenure =
  /** A Pod of it holds room here, or it needs none: it is as it is declared. */
  | { readonly is: 'placed' }
  /** A Pod of it holds less room than is declared: what runs of it runs on, and it does not start. */
  | { readonly is: 'outgrown'; readonly state: RunState; readonly why: string }
  /** Nobody can say now whether there is a Pod. */
  | { readonly is: 'unknown' }
  /** No Pod, and nobody can say what it is to be: it is stopped, and all else stays. */
  | { readonly is: 'stopped' }
  /** No Pod, and nothing of it that runs or shall run. */
  | { readonly is: 'parked'; readonly state: RunState }
  /** It lost its Pod, and is kept here until it has another. Running: it is at rest, and does not start. */
  | { readonly is: 'waiting'; readonly state: RunState }
  /** It is removed from this node, and placed anew; `to`: where its spec wants it. */
  | { readonly is: 'leaving'; readonly to?: string }
  /** Its spec names another node, and it goes there when it starts the next time. */
  | { readonly is: 'misplaced'; readonly to: string };

export type TenureFacts = {
  readonly nodeName: string;
  readonly pods: 'unknown' | 'bound' | 'none';
  /** What the Pod that is bound here holds room for, where that is noted. */
  readonly room?: Room;
  readonly status: InstanceStatus | undefined;
  /** Its memory cannot be kept: it comes to rest without. */
  readonly isStandbyUnavailable: boolean;
  /** Of a fork: whom it was made from is there still, so that it can be made anew. */
  readonly isSourceThere: boolean;
};

type Wanted = Extract<Declared, { is: 'wanted' }>;

export function tenureOf({ object, declared, named }: Known, facts: TenureFacts): Tenure {
  const pod = placedBy(object);
  if (declared.is === 'gone' || named === facts.nodeName) return { is: 'placed' };
  if (pod === undefined || facts.pods === 'bound')
    return named === undefined || declared.is === 'held'
      ? tenureBound(declared, facts)
      : tenureElsewhere(declared, named, facts);
  if (facts.pods === 'unknown') return { is: 'unknown' };
  // Drained with a spec that cannot be read: its node is let go of, its policy is heard when it can be.
  if (declared.is === 'held') return { is: 'stopped' };
  return tenureWithoutPod(declared, { ...facts, isKept: pod === KEPT });
}

function tenureBound(declared: Declared, { room }: TenureFacts): Tenure {
  const needed = roomLacking(declared, room);
  if (declared.is !== 'wanted' || room === undefined || needed === undefined) return { is: 'placed' };
  return { is: 'outgrown', state: declared.instance.spec.state, why: resizingWords(room, needed) };
}

/** An edit of spec.nodeName gives its disk up, as another image does: by the same policy, or at the next start. */
function tenureElsewhere({ instance }: Wanted, to: string, { status }: TenureFacts): Tenure {
  if (instance.spec.updatePolicy === 'Recreate' || status === undefined) return { is: 'leaving', to };
  const isDown = status.state === 'Stopped' || status.state === 'Created';
  const isStarting = isDown && wantedState(instance, status) === 'Running' && !hasEnded(status);
  return isStarting ? { is: 'leaving', to } : { is: 'misplaced', to };
}

function tenureWithoutPod({ instance }: Wanted, facts: TenureFacts & { readonly isKept: boolean }): Tenure {
  const { status, isKept } = facts;
  const state = wantedState(instance, status);
  const rest = state === 'Stopped' || !hasMemory(facts) ? 'Stopped' : 'Standby';
  // Whether an edit starts it again is for a pass to say, which asks for room then.
  if (rest === state || hasEnded(status)) return { is: 'parked', state };
  if (state !== 'Running') return { is: 'waiting', state: rest };
  if (!isKept && instance.spec.evictionPolicy === 'Stop') return tenureStopped(instance, facts);
  // What ended stays as it ended: told Stopped, it would forget that, and how often.
  return { is: 'waiting', state: status?.state === 'Stopped' ? 'Running' : rest };
}

function hasEnded(status: InstanceStatus | undefined): boolean {
  return status !== undefined && hasEndedForGood(status);
}

/** What a fork is made of exists once: it goes only if it can be made anew. */
function tenureStopped({ spec }: Instance, { isSourceThere }: TenureFacts): Tenure {
  if (spec.forkFrom === undefined || isSourceThere) return { is: 'leaving' };
  return { is: 'waiting', state: 'Stopped' };
}

/** A fork that does not say what it is to be has that from its source; a pass that found it so tells here. */
function wantedState({ spec }: Instance, status: InstanceStatus | undefined): RunState {
  if (spec.silent?.includes('state') !== true || status === undefined) return spec.state;
  const reason = readyReasonIn(status, 'True');
  return reason === 'Stopped' || reason === 'Standby' ? reason : spec.state;
}

/**
 * Nothing runs and nothing is on its way: a program that ended for good is at rest, too, and so is whoever was told
 * that it may not start.
 */
export function isAtRest(status: InstanceStatus | undefined, generation: number, state: RunState): boolean {
  if (status === undefined) return false;
  const reason = readyReasonIn(status, 'False');
  const isDown = status.state === 'Stopped' || status.state === 'Created';
  const isBarred = isDown && (reason === EVICTED || reason === RESIZING);
  return isBarred || !needsRoom({ status, generation }, { state });
}

/** On disk, or in a machine that is there. From nothing a machine would have to run first. */
function hasMemory({ status, isStandbyUnavailable }: TenureFacts): boolean {
  const state = status?.state ?? 'Created';
  return state !== 'Stopped' && state !== 'Created' && !isStandbyUnavailable;
}

const BAR = {
  reason: EVICTED,
  message: 'it has no placeholder Pod on this node: it starts when one is bound here',
} as const;

/** What a pass is to make of it. */
export function declaredUnder(tenure: Tenure, declared: Declared): Declared {
  if (declared.is === 'held') return tenure.is === 'stopped' ? { ...declared, isToStop: true } : declared;
  return declared.is === 'wanted' ? wantedUnder(tenure, declared) : declared;
}

function wantedUnder(tenure: Tenure, declared: Wanted): Declared {
  const { uid, generation, instance } = declared;
  switch (tenure.is) {
    case 'placed':
    case 'misplaced':
    case 'stopped':
      return declared;
    case 'outgrown':
      return { ...declared, startBar: { reason: RESIZING, message: tenure.why } };
    case 'leaving':
      return { is: 'gone' };
    case 'unknown': {
      const message = 'which placeholder Pods this node has cannot be seen yet';
      return { is: 'held', uid, generation, refused: { reason: 'SourceLost', message } };
    }
    case 'parked':
    case 'waiting':
      return { ...declared, instance: inState(instance, tenure.state), startBar: BAR };
  }
}

/** By word of its node, not of its source. */
function inState(instance: Instance, state: RunState): Instance {
  const { silent, ...spec } = instance.spec;
  const left = silent?.filter((field) => field !== 'state');
  return { ...instance, spec: { ...spec, state, ...(left === undefined ? {} : { silent: left }) } };
}
