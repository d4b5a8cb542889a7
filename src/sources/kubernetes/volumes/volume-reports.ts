import type { ReportedVolume, VolumeStatus } from '../../../api/reported-volume.ts';
import type { Condition } from '../../../api/status.ts';
import { valueAt } from '../../../api/raw.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import type { ApiServer } from '../api-server.ts';
import { Errands } from '../errands.ts';
import { VOLUME } from '../held-kind.ts';
import { isBeingDeleted } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { pause } from '../pause.ts';
import { ReportedStatuses } from '../reported-statuses.ts';

export type VolumeReportsParts = {
  readonly api: ApiServer;
  readonly nodeName: string;
  /** The object as the server has it after a write. */
  readonly onWritten: (object: KubernetesObject) => void;
  readonly onTrouble: (key: InstanceKey, error: unknown) => void;
  readonly now?: () => number;
  readonly passingMs?: number;
};

/** A disk is claimed, made and attached within this time: one write tells of all three. */
const PASSING_MS = 500;

/** Writes how it stands with Volumes to their status: the last word after half a second, and only when it differs. */
export class VolumeReports {
  readonly #parts: VolumeReportsParts;
  readonly #statuses: ReportedStatuses<VolumeStatus>;
  readonly #pending = new Map<InstanceKey, { object: KubernetesObject; volume: ReportedVolume }>();
  readonly #passing = new Set<InstanceKey>();
  readonly #writes: Errands<InstanceKey>;
  readonly #abort = new AbortController();

  constructor(parts: VolumeReportsParts) {
    this.#parts = parts;
    this.#statuses = new ReportedStatuses(parts.api, VOLUME);
    this.#writes = new Errands(async (key) => {
      await this.#write(key);
      return 'done';
    }, parts.onTrouble);
  }

  /** Somebody else wrote there since. */
  isDisturbed(object: KubernetesObject): boolean {
    return this.#statuses.isDisturbed(object);
  }

  report(object: KubernetesObject, volume: ReportedVolume): void {
    const { key } = object;
    this.#pending.set(key, { object, volume });
    if (this.#passing.has(key)) return;
    this.#passing.add(key);
    void pause(this.#parts.passingMs ?? PASSING_MS, this.#abort.signal).then(() => {
      this.#passing.delete(key);
      this.#writes.add(key);
    });
  }

  forget(key: InstanceKey): void {
    this.#pending.delete(key);
    this.#statuses.forget(key);
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#writes.close();
    await Promise.allSettled([...this.#pending.keys()].map((key) => this.#write(key)));
  }

  async #write(key: InstanceKey): Promise<void> {
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    const { object, volume } = pending;
    const { nodeName, now = Date.now } = this.#parts;
    const before = this.#statuses.last(object)?.conditions ?? [];
    const after = await this.#statuses.write(
      object,
      statusOf(object, volume, { nodeName, before, now: now() }),
    );
    if (this.#pending.get(key) === pending) this.#pending.delete(key);
    if (after !== undefined && after !== object) this.#parts.onWritten(after);
  }
}

type Circumstances = {
  readonly nodeName: string;
  readonly before: readonly Condition[];
  readonly now: number;
};

function statusOf(object: KubernetesObject, volume: ReportedVolume, about: Circumstances): VolumeStatus {
  const observedGeneration = Number(valueAt(object.document, ['metadata', 'generation']) ?? 0);
  const { state, size, usedBy, createdAt, image, message } = withWaiting(object, volume);
  return {
    ...{ observedGeneration, state, usedBy, nodeName: about.nodeName },
    ...(size === undefined ? {} : { size }),
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(image === undefined ? {} : { image }),
    ...(message === undefined ? {} : { message }),
    conditions: [readyIn({ state, message }, observedGeneration, about)],
  };
}

function withWaiting(object: KubernetesObject, volume: ReportedVolume): ReportedVolume {
  const users = volume.usedBy.join(', ');
  if (!isBeingDeleted(object) || users === '') return volume;
  return { ...volume, message: `is deleted when it is free: stop ${users}, or wait for its end` };
}

function readyIn(
  { state, message = '' }: { readonly state: string; readonly message: string | undefined },
  observedGeneration: number,
  { before, now }: Circumstances,
): Condition {
  const status = state === 'Available' || state === 'InUse' ? 'True' : 'False';
  const [last] = before;
  const lastTransitionTime =
    last?.status === status ? last.lastTransitionTime : `${new Date(now).toISOString().slice(0, 19)}Z`;
  return { type: 'Ready', status, reason: state, message, lastTransitionTime, observedGeneration };
}
