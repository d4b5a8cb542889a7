import { createHash } from 'node:crypto';
import { dirname } from 'node:path';
import type { CountedEvent, InstanceEvent, ReportedInstance } from '../../api/reported.ts';
import { ensureDirectory, namesIn, readIfThere, removeFile, replaceFile } from '../../host/files.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import { inParallel } from './parallel.ts';

/** Where directory mode keeps what is reported of an instance. */
export function reportedPath(stateDir: string, key: InstanceKey): string {
  return `${stateDir}/status/${key}.json`;
}

const READS_AT_ONCE = 32;
// As many as fit on two screens; the log has the rest.
const MAX_EVENTS = 50;

type Kept = { readonly reported: ReportedInstance; readonly textDigest: string };

/** The reports of all instances, in memory and under `<state>/status`. */
export class StatusFiles {
  readonly #stateDir: string;
  readonly #kept = new Map<InstanceKey, Kept>();

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
  }

  /** Reads what earlier controllers reported. A report that cannot be read is one that is made anew. */
  async load(): Promise<void> {
    const base = `${this.#stateDir}/status`;
    await ensureDirectory(base);
    const keys: InstanceKey[] = [];
    for (const namespace of await namesIn(base))
      for (const file of await namesIn(`${base}/${namespace}`))
        if (/^[^.].*\.json$/.test(file)) keys.push(keyOf(namespace, file.slice(0, -'.json'.length)));
    await inParallel(keys, READS_AT_ONCE, async (key) => {
      const text = await readIfThere(reportedPath(this.#stateDir, key));
      const reported = text === undefined ? undefined : reportedIn(text);
      if (text !== undefined && reported !== undefined)
        this.#kept.set(key, { reported, textDigest: digestOfText(text) });
    });
  }

  keys(): readonly InstanceKey[] {
    return [...this.#kept.keys()];
  }

  of(key: InstanceKey): ReportedInstance | undefined {
    return this.#kept.get(key)?.reported;
  }

  /** Writes the report when it differs from the one on disk. */
  async write(key: InstanceKey, reported: ReportedInstance): Promise<void> {
    const text = `${JSON.stringify(reported, undefined, 2)}\n`;
    const textDigest = digestOfText(text);
    if (this.#kept.get(key)?.textDigest === textDigest) return;
    const path = reportedPath(this.#stateDir, key);
    await ensureDirectory(dirname(path));
    await replaceFile(path, text);
    this.#kept.set(key, { reported, textDigest });
  }

  async remove(key: InstanceKey): Promise<void> {
    await removeFile(reportedPath(this.#stateDir, key));
    this.#kept.delete(key);
  }
}

/**
 * The last events with new ones counted in: one that was seen before moves to the end with a higher count,
 * so that a crash loop does not push out what came before it.
 */
export function withEvents(
  before: readonly CountedEvent[],
  events: readonly InstanceEvent[],
): readonly CountedEvent[] {
  return events
    .reduce<readonly CountedEvent[]>((kept, event) => {
      const earlier = kept.find((other) => isSameEvent(other, event));
      const counted = { ...event, count: (earlier?.count ?? 0) + 1, firstAt: earlier?.firstAt ?? event.at };
      return [...kept.filter((other) => other !== earlier), counted];
    }, before)
    .slice(-MAX_EVENTS);
}

function isSameEvent(one: InstanceEvent, other: InstanceEvent): boolean {
  return one.type === other.type && one.reason === other.reason && one.message === other.message;
}

function digestOfText(text: string): string {
  return createHash('sha256').update(text).digest('base64');
}

function reportedIn(text: string): ReportedInstance | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isReported(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Written whole by a controller of ours or not at all: its kind and its parts are proof enough. */
function isReported(value: unknown): value is ReportedInstance {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'Instance' &&
    'metadata' in value &&
    'status' in value &&
    'events' in value
  );
}
