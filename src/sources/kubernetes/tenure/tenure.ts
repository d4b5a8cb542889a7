import type { RunState } from '../../../api/instance.ts';
import type { InstanceStatus } from '../../../api/status.ts';
import type { Declared } from '../../source.ts';
import type { Known } from '../known-instances.ts';
import { KEPT, placedBy } from './placed-instance.ts';
import { hasEndedForGood, needsRoom } from '../placement/room.ts';

/** By what right an Instance that the scheduler placed is on this node now. */
export type Tenure =
  /** A Pod of it holds room here, or it needs none: it is as it is declared. */
  | { readonly is: 'placed' }
  /** Nobody can say now whether there is a Pod. */
  | { readonly is: 'unknown' }
  /** No Pod, and nothing of it that runs or shall run. */
  | { readonly is: 'parked'; readonly state: RunState }
  /** It lost its Pod, and is kept here until it has another. */
  | { readonly is: 'waiting'; readonly state: RunState }
  /** It lost its Pod: it is removed from this node, and placed anew. */
  | { readonly is: 'leaving' };

export type TenureFacts = {
  readonly pods: 'unknown' | 'bound' | 'none';
  readonly status: InstanceStatus | undefined;
  /** Its memory cannot be kept: it comes to rest without. */
  readonly isStandbyUnavailable: boolean;
};

export function tenureOf({ object, declared, isNamed }: Known, facts: TenureFacts): Tenure {
  const pod = placedBy(object);
  const needsPod = pod !== undefined && !isNamed && declared.is !== 'gone';
  if (!needsPod || facts.pods === 'bound') return { is: 'placed' };
  // Of what is held nobody knows what it is to be: it stays as it is.
  if (facts.pods === 'unknown' || declared.is === 'held') return { is: 'unknown' };
  return tenureWithoutPod(declared, { ...facts, isKept: pod === KEPT });
}

function tenureWithoutPod(
  { instance }: Extract<Declared, { is: 'wanted' }>,
  facts: TenureFacts & { readonly isKept: boolean },
): Tenure {
  const { evictionPolicy, state } = instance.spec;
  const rest = state === 'Stopped' || !hasMemory(facts) ? 'Stopped' : 'Standby';
  // Whether an edit starts it again is for a pass to say, which asks for room then.
  const hasEnded = facts.status !== undefined && hasEndedForGood(facts.status);
  if (rest === state || hasEnded) return { is: 'parked', state };
  if (state !== 'Running') return { is: 'waiting', state: rest };
  return facts.isKept || evictionPolicy === 'Standby' ? { is: 'waiting', state: rest } : { is: 'leaving' };
}

/** Nothing runs and nothing is on its way. A program that ended for good is at rest, too. */
export function isAtRest(status: InstanceStatus | undefined, generation: number, state: RunState): boolean {
  return status !== undefined && !needsRoom({ status, generation }, { state });
}

/** On disk, or in a machine that is there. From nothing a machine would have to run first. */
function hasMemory({ status, isStandbyUnavailable }: TenureFacts): boolean {
  const state = status?.state ?? 'Created';
  return state !== 'Stopped' && state !== 'Created' && !isStandbyUnavailable;
}

/** What a pass is to make of it. */
export function declaredUnder(tenure: Tenure, declared: Declared): Declared {
  if (declared.is !== 'wanted') return declared;
  const { uid, generation, instance } = declared;
  switch (tenure.is) {
    case 'placed':
      return declared;
    case 'leaving':
      return { is: 'gone' };
    case 'unknown': {
      const message = 'which placeholder Pods this node has cannot be seen yet';
      return { is: 'held', uid, generation, refused: { reason: 'SourceLost', message } };
    }
    case 'parked':
    case 'waiting':
      return { ...declared, instance: { ...instance, spec: { ...instance.spec, state: tenure.state } } };
  }
}
