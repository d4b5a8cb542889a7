import { createHash } from 'node:crypto';
import type { Mapping } from '../../api/raw.ts';
import type { InstanceEvent } from '../../api/reported.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { nameOf, namespaceOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { isSuccess, sentenceOf } from './api-server.ts';
import type { Answer } from './api-server.ts';
import { Errands } from './errands.ts';
import { microTime } from './micro-time.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { within } from './pause.ts';
import type { ServerTurns } from './server-turns.ts';

const NOT_FOUND = 404;
const ALREADY_EXISTS = 409;

type EventType = InstanceEvent['type'];
type Subject = Pick<KubernetesObject, 'key' | 'uid'>;

/** One event of one Instance, however often it happened. */
type Series = {
  readonly object: Subject;
  readonly event: InstanceEvent;
  readonly name: string;
  count: number;
  lastAt: number;
  /** The server has it, as far as is known: it is to be counted up, and not made. */
  isWritten: boolean;
  timer?: NodeJS.Timeout;
};

/** By the series' name. */
type Unwritten = Map<string, Series>;

// events.k8s.io/v1 refuses a longer note.
const MAX_NOTE = 1_000;
/** Events are forgotten by the server after an hour (--event-ttl): there is nothing to count on to then. */
const KEPT_MS = 3_600_000;
const MAX_SERIES = 2_000;
/** How often a count is brought up to date. */
const COUNT_MS = 10_000;
/** What went as it should, and waits for its turn behind statuses: beyond this the oldest are not told. */
const MAX_CALM = 1_000;
/** How long the end waits: the kubelet gives an agent 30 s. */
const CLOSE_MS: Readonly<Record<EventType, number>> = { Normal: 2_000, Warning: 8_000 };

export type EventWriterParts = {
  readonly turns: ServerTurns;
  readonly log: Logger;
  readonly nodeName: string;
  readonly countMs?: number;
};

/**
 * Writes Events (events.k8s.io/v1). One that repeats is counted in its series. They are told at best effort:
 * what cannot be written is dropped, and no pass waits for it.
 */
export class EventWriter {
  readonly #parts: EventWriterParts;
  readonly #series = new Map<string, Series>();
  readonly #unwritten: Readonly<Record<EventType, Unwritten>> = { Normal: new Map(), Warning: new Map() };
  readonly #writes: Readonly<Record<EventType, Errands<string>>>;

  constructor(parts: EventWriterParts) {
    this.#parts = parts;
    this.#writes = { Normal: this.#writesOf('Normal'), Warning: this.#writesOf('Warning') };
  }

  record(object: KubernetesObject, events: readonly InstanceEvent[]): void {
    for (const event of events) this.#record(object, event);
  }

  forget(key: InstanceKey): void {
    for (const [id, { object, timer }] of this.#series) {
      if (object.key !== key) continue;
      clearTimeout(timer);
      this.#series.delete(id);
    }
  }

  /** Resolves when what was recorded is written or given up. */
  async close(): Promise<void> {
    for (const series of this.#series.values()) {
      if (series.timer === undefined) continue;
      clearTimeout(series.timer);
      this.#due(series);
    }
    this.#series.clear();
    const { Normal: calm, Warning: warnings } = this.#writes;
    await Promise.all([within(CLOSE_MS.Warning, warnings.quiet()), within(CLOSE_MS.Normal, calm.quiet())]);
    for (const writes of [calm, warnings]) writes.close();
  }

  #writesOf(type: EventType): Errands<string> {
    return new Errands(
      (name) => this.#write(type, name),
      () => undefined,
    );
  }

  #record(object: KubernetesObject, event: InstanceEvent): void {
    const id = JSON.stringify([object.uid, event.type, event.reason, event.message]);
    const known = this.#series.get(id);
    if (known === undefined || event.at - known.lastAt > KEPT_MS) {
      this.#begin(id, object, event);
      return;
    }
    known.count += 1;
    known.lastAt = event.at;
    known.timer ??= setTimeout(() => {
      delete known.timer;
      this.#due(known);
    }, this.#parts.countMs ?? COUNT_MS).unref();
  }

  #begin(id: string, object: KubernetesObject, event: InstanceEvent): void {
    const [oldest] = this.#series.keys();
    if (this.#series.size >= MAX_SERIES && oldest !== undefined) this.#series.delete(oldest);
    const digest = createHash('sha256').update(`${id}${event.at}`).digest('hex').slice(0, 16);
    const name = `${nameOf(object.key)}.${digest}`;
    // Nothing else of the object is kept: its spec holds values.
    const subject: Subject = { key: object.key, uid: object.uid };
    const series: Series = { object: subject, event, name, count: 1, lastAt: event.at, isWritten: false };
    this.#series.set(id, series);
    this.#due(series);
  }

  #due(series: Series): void {
    const { name, event } = series;
    const unwritten = this.#unwritten[event.type];
    unwritten.set(name, series);
    const [oldest] = unwritten.values();
    if (event.type === 'Normal' && unwritten.size > MAX_CALM && oldest !== undefined) {
      unwritten.delete(oldest.name);
      this.#dropped(oldest, 'too many wait for their turn');
    }
    this.#writes[event.type].add(name);
  }

  async #write(type: EventType, name: string): Promise<'done'> {
    const series = this.#unwritten[type].get(name);
    if (series === undefined) return 'done';
    this.#unwritten[type].delete(name);
    try {
      const answer = await this.#sendOrRemake(series);
      if (!isSuccess(answer)) this.#dropped(series, sentenceOf(answer));
    } catch (error) {
      this.#dropped(series, messageOf(error));
    }
    return 'done';
  }

  /** Its Event may be gone meanwhile: somebody deleted it, or this server keeps them for less. */
  async #sendOrRemake(series: Series): Promise<Answer> {
    const answer = await this.#send(series);
    // A first answer that was lost: the Event is there all the same.
    if (isSuccess(answer) || answer.status === ALREADY_EXISTS) series.isWritten = true;
    if (!series.isWritten || answer.status !== NOT_FOUND) return answer;
    series.isWritten = false;
    return this.#sendOrRemake(series);
  }

  async #send(series: Series): Promise<Answer> {
    const { object, event, name } = series;
    // A Warning need not wait for what went as it should.
    const api = this.#parts.turns.for(event.type === 'Warning' ? 'status' : 'event');
    const path = `/apis/events.k8s.io/v1/namespaces/${namespaceOf(object.key)}/events`;
    if (!series.isWritten) return api.ask({ method: 'POST', path, body: this.#document(series) });
    return api.ask({
      method: 'PATCH',
      path: `${path}/${name}`,
      patch: 'application/merge-patch+json',
      body: seriesOf(series),
    });
  }

  #document(series: Series): unknown {
    const { object, event, name, count } = series;
    return {
      ...(count > 1 ? seriesOf(series) : {}),
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name, namespace: namespaceOf(object.key) },
      eventTime: microTime(event.at),
      reportingController: 'hypeman.dev/controller',
      reportingInstance: this.#parts.nodeName,
      action: event.reason,
      reason: event.reason,
      type: event.type,
      note: event.message.slice(0, MAX_NOTE),
      regarding: {
        apiVersion: 'hypeman.dev/v1alpha1',
        kind: 'Instance',
        namespace: namespaceOf(object.key),
        name: nameOf(object.key),
        uid: object.uid,
      },
    };
  }

  #dropped({ object, event }: Series, message: string): void {
    this.#parts.log.debug({ instance: object.key, reason: event.reason, message }, 'event dropped');
  }
}

function seriesOf({ count, lastAt }: Series): Mapping {
  return { series: { count, lastObservedTime: microTime(lastAt) } };
}
