import { unreachable } from '../../../errors.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { ApiServer } from '../api-server.ts';
import { labelOf } from '../kubernetes-object.ts';
import { lookUp } from '../object-changes.ts';
import type { InstanceSight } from './instance-sight.ts';
import { letGo, notePod, writeStatus } from './instance-writes.ts';
import { isPlaceholderOf, podClaimsOf } from './placeholder-note.ts';
import type { Room } from './placeholder-note.ts';
import { placeholderFor } from './placeholder-pod.ts';
import type { PlaceholderSettings } from './placeholder-pod.ts';
import { PLACEHOLDER_LABEL } from './placeholder-words.ts';
import type { PlacementPlan } from './placement-plan.ts';
import { statusLetGo } from './placement-status.ts';
import type { PlacementSights } from './placement-sights.ts';
import type { PlacementAction } from './placement-step.ts';
import type { Refusal } from './placement-world.ts';
import { podSightOf } from './pod-sight.ts';
import type { PodSight } from './pod-sight.ts';
import { createPod, deletePod, releasePod } from './pod-writes.ts';
import type { Made } from './pod-writes.ts';

type Parts = {
  readonly api: ApiServer;
  readonly sights: PlacementSights;
  readonly settings: PlaceholderSettings;
  readonly now: () => number;
};

/** What the API server would not take; to be looked at again with this in mind. */
export type Outcome = 'done' | Pick<Refusal, 'is' | 'reason' | 'message'>;

/** Performs a plan, in its order, and notes what the server gave back. Throws `transient` where somebody was first. */
export async function perform(parts: Parts, instance: InstanceSight, plan: PlacementPlan): Promise<Outcome> {
  for (const action of plan.actions) {
    const outcome = await act(parts, instance, action);
    if (outcome !== 'done') return outcome;
  }
  if (plan.status === undefined) return 'done';
  const after = await writeStatus(parts.api, instance, plan.status);
  if (after !== undefined) parts.sights.putInstance(after);
  return 'done';
}

async function act(parts: Parts, instance: InstanceSight, action: PlacementAction): Promise<Outcome> {
  const { api, sights, settings } = parts;
  switch (action.kind) {
    case 'create-placeholder': {
      const made = await createPod(api, placeholderFor(instance, action.demand, action.node, settings));
      return made.is === 'refused' ? made.why : note(parts, { instance, room: action.demand }, made);
    }
    case 'release-placeholder':
      await release(parts, action.pod);
      return 'done';
    case 'delete-placeholder':
      await deletePod(api, sights.pod(action.pod), action.isForced);
      return 'done';
    case 'delete-stranger':
      await removeStranger(parts, instance, action.pod);
      return 'done';
    case 'let-go':
      await takeFrom(parts, instance, action.node);
      return 'done';
    default:
      return unreachable(action);
  }
}

/**
 * The Pod before its note: one that is not noted, because we were cut short, too, is removed and made again. One that
 * is not among those that are watched would never be seen to go.
 */
async function note(
  { api, sights }: Parts,
  { instance, room }: { readonly instance: InstanceSight; readonly room: Room },
  { object, isNew }: Extract<Made, { is: 'there' }>,
): Promise<Outcome> {
  const pod = podSightOf(object);
  if (pod?.instance.uid !== instance.uid || labelOf(object, PLACEHOLDER_LABEL) !== 'true') {
    const message = `Pod ${object.key} has the name of its placeholder and is none: delete that Pod`;
    return { is: 'stalled', reason: 'PlaceholderNameTaken', message };
  }
  sights.putPod(object);
  if (!isNew) return 'done';
  const noted = await notePod(api, instance, object.uid, room);
  if (noted.is === 'refused') {
    // The refusal is to be remembered, whatever becomes of this: what is left is removed as a stranger's.
    await deletePod(api, sights.pod(pod), false).catch(() => undefined);
    const message = `its placeholder Pod cannot be noted on the Instance: ${noted.message}`;
    return { is: 'waiting', reason: 'PlaceholderNotNoted', message };
  }
  if (noted.object !== undefined) sights.putInstance(noted.object);
  return 'done';
}

/** The watch of Instances may lag behind that of Pods: only the server's word, by name, is enough. */
async function removeStranger({ api, sights }: Parts, instance: InstanceSight, pod: PodSight): Promise<void> {
  const there = await lookUp(api, instance.key);
  if (there !== undefined) sights.putInstance(there);
  if (there?.uid !== instance.uid || isPlaceholderOf(podClaimsOf(there), pod)) return;
  await deletePod(api, sights.pod(pod), false);
}

/** The status last: for as long as it names the node, that one has the Instance. */
async function takeFrom({ api, sights, now }: Parts, instance: InstanceSight, node: string): Promise<void> {
  const free = await letGo(api, instance, node);
  if (free === undefined) return;
  sights.putInstance(free);
  const { resourceVersion } = free;
  const told = await writeStatus(api, { ...instance, resourceVersion }, statusLetGo(instance, node, now()));
  if (told !== undefined) sights.putInstance(told);
}

async function release({ api, sights }: Parts, pod: PodSight): Promise<void> {
  const after = await releasePod(api, sights.pod(pod));
  if (after !== undefined) sights.putPod(after);
}

/** Removes a Pod whose Instance is gone, once the server has said so by name. False: it is there after all. */
export async function removeStray(parts: Parts, key: InstanceKey, pod: PodSight): Promise<boolean> {
  const there = await lookUp(parts.api, key);
  if (there?.uid === pod.instance.uid) return false;
  const { binding } = pod;
  const standing = binding.is === 'bound' ? parts.sights.standing(binding.node) : 'alive';
  await release(parts, pod);
  await deletePod(parts.api, parts.sights.pod(pod), standing === 'gone' || standing === 'out-of-service');
  return true;
}
