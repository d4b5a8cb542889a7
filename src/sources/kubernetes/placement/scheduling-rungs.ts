import { nodeChoiceOf } from './node-choice.ts';
import { demandIn, gentleEnd } from './placeholder-rungs.ts';
import { REST, stalled, waiting } from './placement-step.ts';
import type { Rung } from './placement-step.ts';
import type { Refusal } from './placement-world.ts';

/** An agent that is there takes what is for it in milliseconds: what takes longer is told. */
const TAKEN_MS = 2_000;
/** A named node may have its agent installed only now. */
const NAMED_MS = 10_000;
/** Most often the scheduler has chosen, and an agent has taken it, in a tenth of this. */
const CHOSEN_MS = 1_000;
/** Nothing tells when a quota has room again, or a class that was missing is there. */
const REFUSED_MS = 10_000;
const LONGEST_REFUSED_MS = 120_000;

/** Who names a node asks no scheduler. */
export const unnamed: Rung = (world) => {
  const { instance, pod, now } = world;
  const nodeName = demandIn(instance)?.nodeName;
  if (nodeName === undefined) return undefined;
  if (instance.holder !== undefined) return REST;
  if (pod !== undefined) return { actions: [gentleEnd(pod)] };
  const leftMs = instance.createdAt + NAMED_MS - now;
  if (leftMs > 0) return { ...REST, againMs: leftMs };
  return waiting('AgentNotReady', `node ${nodeName} is named, and its agent has not taken the instance yet`);
};

export const placeholderThere: Rung = (world) => {
  const { instance, pod, refusal, now } = world;
  const demand = demandIn(instance);
  if (pod !== undefined || demand === undefined) return undefined;
  if (refusal?.generation === instance.generation) {
    const leftMs = refusal.at + pauseAfter(refusal) - now;
    if (leftMs > 0) return SAID[refusal.is](refusal.reason, refusal.message, { againMs: leftMs });
  }
  const choice = nodeChoiceOf(world);
  const on = choice.is === 'one' ? { node: choice.node } : {};
  // Nothing is told yet: the next word is most often an agent's. A refusal may come again.
  return { actions: [{ kind: 'create-placeholder', demand, ...on }] };
};

const SAID = { waiting, stalled };

function pauseAfter({ count }: Refusal): number {
  return Math.min(REFUSED_MS * 2 ** Math.min(count - 1, 10), LONGEST_REFUSED_MS);
}

export const placeholderBound: Rung = ({ pod, now }) => {
  if (pod?.binding.is !== 'unbound') return undefined;
  const leftMs = Math.min(pod.createdAt - now, 0) + CHOSEN_MS;
  if (pod.binding.reason === undefined && leftMs > 0) return { ...REST, againMs: leftMs };
  const { reason = 'Scheduling', message = 'waiting for the scheduler' } = pod.binding;
  return {
    actions: [],
    says: { is: 'waiting', reason: 'Scheduling', message, scheduled: { status: 'False', reason, message } },
  };
};

/** An agent takes it; the scheduler is asked again when that one is not heard of any more. */
export const taken: Rung = ({ instance, pod, podStanding, now }) => {
  if (instance.holder !== undefined || pod?.binding.is !== 'bound') return undefined;
  const { node, since } = pod.binding;
  if (podStanding !== 'alive') {
    const message = `nothing is heard of node ${node}, which was chosen: another is looked for`;
    return waiting('Scheduling', message, {
      actions: [{ kind: 'delete-placeholder', pod, isForced: true }],
    });
  }
  const leftMs = since + TAKEN_MS - now;
  if (leftMs > 0) return { ...REST, againMs: leftMs };
  const scheduled = { status: 'True', reason: 'Scheduled', message: `node ${node} was chosen` } as const;
  const message = `the agent of node ${node} has not taken the instance yet`;
  return { actions: [], says: { is: 'waiting', reason: 'AgentNotReady', message, scheduled } };
};
