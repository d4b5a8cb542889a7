import type { InstanceEvent } from '../../api/reported.ts';
import type { InstanceStatus } from '../../api/status.ts';
import { HypemanError } from '../../errors.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { Errands } from './errands.ts';
import type { ErrandResult } from './errands.ts';
import type { EventWriter } from './event-writer.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { PassingRate } from './passing-rate.ts';
import type { Rate } from './passing-rate.ts';
import { pause, within } from './pause.ts';
import type { ReportedStatuses } from './reported-statuses.ts';

type Pending = {
  readonly object: KubernetesObject;
  readonly status: InstanceStatus;
  readonly events: readonly InstanceEvent[];
};

export type PacedReportsParts = {
  readonly statuses: ReportedStatuses;
  readonly events: EventWriter;
  /** The object as the server has it after a write. */
  readonly onWritten: (object: KubernetesObject) => void;
  readonly onTrouble: (key: InstanceKey, error: unknown) => void;
  readonly passingMs?: number;
  readonly rate?: Rate;
};

/** Hardly seen by a person, and longer than most steps between two waits take. */
const PASSING_MS = 500;
/**
 * Nobody follows more, and in a burst each would be old when it is read: of hundreds that start at once most
 * are written when they are at rest. A start alone never comes near it.
 */
const PASSING: Rate = { perSecond: 1, atOnce: 5 };
/** Passes that may stand by until their status is written; the work of the others goes on meanwhile. */
const MAX_STANDING_BY = 4;
/** How long the end waits for a server: the next agent looks anew, and writes what this one could not. */
const CLOSE_MS = 12_000;
/** A burst of steps that nobody could watch is told by its last ones. */
const MAX_NORMAL = 3;

/**
 * Writes what passes report. A status on its way to another (Reconciling) may be overtaken by the next within
 * half a second: a start takes three writes and not one for each step. Of all Instances, a few of these are
 * written in a second, the first of one among them; one at rest is written at once, or, while many are, in its
 * turn, and tried again until it is.
 */
export class PacedReports {
  readonly #parts: PacedReportsParts;
  readonly #pending = new Map<InstanceKey, Pending>();
  readonly #inFlight = new Map<InstanceKey, Promise<unknown>>();
  /** Keys whose half second runs, or that wait for their turn after it. */
  readonly #passing = new Set<InstanceKey>();
  readonly #late: Errands<InstanceKey>;
  readonly #rate: PassingRate;
  #standingBy = 0;
  #isClosed = false;

  constructor(parts: PacedReportsParts) {
    this.#parts = parts;
    this.#rate = new PassingRate(parts.rate ?? PASSING);
    this.#late = new Errands((key) => this.#attempt(key), parts.onTrouble);
  }

  last(object: KubernetesObject): InstanceStatus | undefined {
    const pending = this.#pending.get(object.key);
    return pending?.object.uid === object.uid ? pending.status : this.#parts.statuses.last(object);
  }

  /**
   * Throws what the write throws when it is waited for. `mustStand`: one at rest is on the server when this
   * resolves, for what is done next gives something up.
   */
  async report(
    object: KubernetesObject,
    status: InstanceStatus,
    events: readonly InstanceEvent[],
    { mustStand = false }: { readonly mustStand?: boolean } = {},
  ): Promise<void> {
    const { key } = object;
    const isFirst = this.#parts.statuses.last(object) === undefined;
    const overtaken = this.#pending.get(key);
    this.#pending.set(key, { object, status, events: told([...(overtaken?.events ?? []), ...events]) });
    const isDue = !isPassing(status) || (isFirst && this.#rate.take());
    if (!isDue) void this.#writeLate(key);
    else if (mustStand || this.#standingBy < MAX_STANDING_BY) await this.#standBy(key);
    else this.#late.add(key);
  }

  forget(key: InstanceKey): void {
    this.#pending.delete(key);
    this.#parts.statuses.forget(key);
    this.#parts.events.forget(key);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#late.close();
    const writes = [...this.#pending.keys()].map((key) => this.#write(key));
    await within(CLOSE_MS, Promise.allSettled(writes));
    await this.#parts.events.close();
  }

  async #standBy(key: InstanceKey): Promise<void> {
    this.#standingBy += 1;
    try {
      await this.#write(key);
    } finally {
      this.#standingBy -= 1;
    }
  }

  async #writeLate(key: InstanceKey): Promise<void> {
    if (this.#passing.has(key)) return;
    this.#passing.add(key);
    do await pause(this.#parts.passingMs ?? PASSING_MS);
    while (this.#pending.has(key) && !this.#isClosed && !this.#rate.take());
    this.#passing.delete(key);
    if (this.#pending.has(key)) this.#late.add(key);
  }

  async #attempt(key: InstanceKey): Promise<ErrandResult> {
    try {
      await this.#write(key);
    } catch (error) {
      // The server never takes this one: only another status, or the next look, is worth a question.
      if (!(error instanceof HypemanError) || error.fate !== 'bug') throw error;
      this.#parts.onTrouble(key, error);
    }
    return 'done';
  }

  /** One write at a time for each, or an older status could come last. */
  async #write(key: InstanceKey): Promise<void> {
    // Of several that waited for one, the others wait for the first of them, too.
    for (let other = this.#inFlight.get(key); other !== undefined; other = this.#inFlight.get(key))
      await other.catch(() => undefined);
    const pending = this.#pending.get(key);
    if (pending === undefined) return;
    const writing = this.#send(key, pending);
    this.#inFlight.set(key, writing);
    try {
      await writing;
    } finally {
      if (this.#inFlight.get(key) === writing) this.#inFlight.delete(key);
    }
  }

  async #send(key: InstanceKey, pending: Pending): Promise<void> {
    const { statuses, events, onWritten } = this.#parts;
    const after = await statuses.write(pending.object, pending.status);
    const next = this.#pending.get(key);
    if (next === pending) this.#pending.delete(key);
    // What was written while the next already waited is not told by that once more.
    else if (next !== undefined)
      this.#pending.set(key, {
        ...next,
        events: next.events.filter((event) => !pending.events.includes(event)),
      });
    // It is gone; the watch will tell.
    if (after === undefined) return;
    events.record(after, pending.events);
    if (after !== pending.object) onWritten(after);
  }
}

/** Every warning, and the last of what went as it should. */
function told(events: readonly InstanceEvent[]): readonly InstanceEvent[] {
  const normal = events.filter(({ type }) => type === 'Normal').slice(-MAX_NORMAL);
  return events.filter((event) => event.type === 'Warning' || normal.includes(event));
}

function isPassing({ conditions }: InstanceStatus): boolean {
  return conditions.some(({ type, status }) => type === 'Reconciling' && status === 'True');
}
