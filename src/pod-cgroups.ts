import type { InstanceId, InstanceKey } from './machine/ids.ts';
import type { ProcessIdentity } from './machine/machine.ts';
import { endPodHolder, joinPodCgroup, leavePodCgroup } from './host/pod-cgroup.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import { Errands } from './sources/kubernetes/errands.ts';
import type { ErrandResult } from './sources/kubernetes/errands.ts';
import type { PodPlace } from './sources/kubernetes/tenure/placeholder-watch.ts';

/** What moves machines and ends Pods; the real ones are in host/. */
export type PodHands = {
  join(process: ProcessIdentity, pod: string): Promise<'joined' | 'absent'>;
  leave(process: ProcessIdentity, name: string): Promise<void>;
  endHolder(pod: string, bootId: string): Promise<void>;
};

export type PlacedMachine = { readonly id: InstanceId; readonly process: ProcessIdentity };

export type PodCgroupsParts = {
  readonly podOf: (key: InstanceKey) => PodPlace | undefined;
  /** Its machine, if it has one now. */
  readonly machineOf: (key: InstanceKey) => Promise<PlacedMachine | undefined>;
  readonly bootId: string;
  readonly log: Logger;
  readonly hands?: PodHands;
  readonly soonMs?: number;
};

export type PodCgroups = {
  /** Something may have changed with an instance's machine or Pod: cheap and repeatable. */
  tend(key: InstanceKey): void;
  close(): void;
};

const HANDS: PodHands = { join: joinPodCgroup, leave: leavePodCgroup, endHolder: endPodHolder };
/** A kubelet makes the cgroup about a second after a Pod is bound; after a burst of Pods, much later. */
const FIRST_TRIES = 60;
const SOON_MS = 1_000;
const LATER_MS = 30_000;
/** In times of `soonMs`: a kubelet that has not seen the Pod's end yet starts its holder once more. */
const TOLD_AGAIN = 10;

/**
 * Has each machine counted where its placeholder Pod is: in the Pod's cgroup while the Pod holds room for it, and
 * out of it as soon as the Pod ends, for the kubelet then kills all that is in there. When the machine of a Pod that
 * ends is gone, the Pod's holder is told so until the Pod is gone, too.
 */
export function openPodCgroups({
  podOf,
  machineOf,
  bootId,
  log,
  hands = HANDS,
  soonMs = SOON_MS,
}: PodCgroupsParts): PodCgroups {
  const joined = new Map<InstanceKey, string>();
  const tries = new Map<InstanceKey, number>();
  const errands = new Errands<InstanceKey>(look, (key, error) => {
    log.warn({ instance: key, message: messageOf(error) }, 'the machine could not be moved between cgroups');
  });
  return {
    tend: (key) => {
      errands.add(key);
    },
    close: () => {
      errands.close();
    },
  };

  async function look(key: InstanceKey): Promise<ErrandResult> {
    const pod = podOf(key);
    // Where it is it stays: a pass tells when more is known.
    if (pod?.is === 'unknown') return 'done';
    const machine = await machineOf(key);
    if (pod?.is === 'bound') return machine === undefined ? 'done' : join(key, machine.process, pod.uid);
    joined.delete(key);
    if (machine !== undefined) await hands.leave(machine.process, machine.id);
    if (machine !== undefined || pod === undefined) return 'done';
    await hands.endHolder(pod.uid, bootId);
    return { againMs: soonMs * TOLD_AGAIN };
  }

  async function join(key: InstanceKey, process: ProcessIdentity, pod: string): Promise<ErrandResult> {
    const mark = [pod, process.pid, process.startTime].join(' ');
    if (joined.get(key) === mark) return 'done';
    if ((await hands.join(process, pod)) === 'joined') {
      joined.set(key, mark);
      tries.delete(key);
      return 'done';
    }
    const count = (tries.get(key) ?? 0) + 1;
    tries.set(key, count);
    return { againMs: count < FIRST_TRIES ? soonMs : LATER_MS };
  }
}
