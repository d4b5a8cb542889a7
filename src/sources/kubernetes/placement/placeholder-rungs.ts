import { nodeChoiceOf } from './node-choice.ts';
import { KEPT } from '../tenure/placed-instance.ts';
import { covers, isPlaceholderOf } from './placeholder-note.ts';
import { demandDigest } from './placeholder-pod.ts';
import { POD_FINALIZER } from './placeholder-words.ts';
import type { Demand } from './instance-sight.ts';
import { REST, stalled, waiting } from './placement-step.ts';
import type { PlacementAction, Rung } from './placement-step.ts';
import type { PlacementWorld } from './placement-world.ts';
import type { PodSight } from './pod-sight.ts';
import { needsRoom } from './room.ts';

/** A placeholder that a kubelet refused is not made again faster than this. */
const STOOD_MS = 30_000;

/** One that was deleted goes when nothing runs behind it: at once where its node does not hold the Instance. */
export const endingGone: Rung = (world) => {
  const { pod, podStanding, instance } = world;
  if (pod?.isEnding !== true) return undefined;
  const node = pod.binding.is === 'bound' ? pod.binding.node : undefined;
  if (node !== undefined && node === instance.holder) return REST;
  const isDead = node !== undefined && podStanding !== 'alive';
  const actions: readonly PlacementAction[] = [
    ...(pod.finalizers.includes(POD_FINALIZER) ? [{ kind: 'release-placeholder', pod } as const] : []),
    ...(isDead ? [{ kind: 'delete-placeholder', pod, isForced: true } as const] : []),
  ];
  return waiting('Scheduling', 'its last placeholder Pod is ending', { actions });
};

/** Whoever may create Pods can make one that looks like a placeholder. No agent believes it, and it has the name. */
export const made: Rung = ({ instance, pod }) => {
  if (pod === undefined || isPlaceholderOf(instance, pod)) return undefined;
  const message = `Pod ${pod.key} has the name of its placeholder and was not made by placement: it is removed`;
  return waiting('Scheduling', message, { actions: [{ kind: 'delete-stranger', pod }] });
};

/** Whoever holds the Instance ends its machine; without one there is nothing to wait for. */
export const deletionAwaited: Rung = ({ instance, pod }) => {
  if (!instance.isBeingDeleted) return undefined;
  return instance.holder === undefined && pod !== undefined ? { actions: [gentleEnd(pod)] } : REST;
};

/** Its last good declaration stays in force where it runs; nothing is begun for it. */
export const understood: Rung = ({ instance, pod }) => {
  const { demand, holder } = instance;
  if (!('invalid' in demand)) return undefined;
  if (holder !== undefined) return REST;
  return stalled('Invalid', demand.invalid, { actions: pod === undefined ? [] : [gentleEnd(pod)] });
};

/** Where its disk is, or nowhere. */
export const besideItsDisk: Rung = ({ instance: { holder }, pod }) =>
  holder !== undefined && pod?.binding.is === 'bound' && pod.binding.node !== holder
    ? { actions: [gentleEnd(pod)] }
    : undefined;

/** A Pod that ended by itself holds no room. */
export const standing: Rung = ({ pod, now }) => {
  if (pod?.isOver !== true) return undefined;
  const leftMs = pod.createdAt + STOOD_MS - now;
  const message = 'its node did not keep the placeholder Pod: another is made';
  if (leftMs > 0) return waiting('Scheduling', message, { againMs: leftMs });
  return waiting('Scheduling', message, { actions: [gentleEnd(pod)] });
};

export const roomNeeded: Rung = ({ instance, pod }) => {
  const demand = demandIn(instance);
  if (demand === undefined || instance.holder === undefined || needsRoom(instance, demand)) return undefined;
  return pod === undefined ? REST : { actions: [gentleEnd(pod)] };
};

/**
 * Its node has put it to rest, for it is to start larger than there is room for here: it is asked for anew. What is
 * smaller than its placeholder has too much until it is placed again.
 */
export const roomEnough: Rung = ({ instance, pod }) => {
  const { holder, takenBy, noted, room } = instance;
  const demand = demandIn(instance);
  if (demand === undefined || holder === undefined || takenBy !== KEPT) return undefined;
  if (pod?.binding.is !== 'bound' || pod.uid !== noted || room === undefined) return undefined;
  return covers(room, demand) ? undefined : { actions: [gentleEnd(pod)] };
};

/** What is still to be scheduled is asked for as declared now. */
export const askedAsDeclared: Rung = (world) => {
  const { instance, pod, settings } = world;
  const [demand, choice] = [demandIn(instance), nodeChoiceOf(world)];
  if (demand === undefined || pod?.binding.is !== 'unbound') return undefined;
  if (choice.is !== 'free' && choice.is !== 'one') return undefined;
  const node = choice.is === 'one' ? choice.node : undefined;
  if (pod.demand === demandDigest(demand, node, settings)) return undefined;
  return waiting('Scheduling', 'its placeholder Pod is made anew as declared', { actions: [gentleEnd(pod)] });
};

/** There is a node, or any, to ask for. */
export const nodeChosen: Rung = (world) => {
  if (world.pod?.binding.is === 'bound') return undefined;
  const choice = nodeChoiceOf(world);
  if (choice.is === 'later') {
    const { reason, message, againMs } = choice;
    return waiting(reason, message, againMs === undefined ? {} : { againMs });
  }
  return choice.is === 'none' ? stalled(choice.reason, choice.message) : undefined;
};

export function demandIn({ demand }: PlacementWorld['instance']): Demand | undefined {
  return 'invalid' in demand ? undefined : demand;
}

export function gentleEnd(pod: PodSight): PlacementAction {
  return { kind: 'delete-placeholder', pod, isForced: false };
}
