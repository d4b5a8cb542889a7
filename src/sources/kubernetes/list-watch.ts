import { listOf, textAt, valueAt } from '../../api/raw.ts';
import { isSuccess, sentenceOf } from './api-server.ts';
import type { Answer, ApiServer, StreamLine } from './api-server.ts';
import { objectIn } from './kubernetes-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

export type Listed =
  | {
      readonly is: 'page';
      readonly objects: readonly KubernetesObject[];
      readonly resourceVersion: string;
      /** Asks for the next page; undefined: this was the last. */
      readonly more: string | undefined;
    }
  /** What `more` pointed to was compacted away. */
  | { readonly is: 'expired' }
  | Refusal;

export type Refusal = { readonly is: 'refused'; readonly message: string; readonly retryAfterMs?: number };

export type WatchEvent =
  | { readonly is: 'open' }
  | { readonly is: 'put' | 'gone'; readonly object: KubernetesObject }
  | { readonly is: 'bookmark'; readonly resourceVersion: string }
  /** The version to start from is not known any more: list again. */
  | { readonly is: 'expired' }
  /** Nothing came for longer than bookmarks take. */
  | { readonly is: 'silent' }
  | Refusal;

/** A collection of objects as a reflector needs it. Both throw `transient` when the server cannot be reached. */
export type ListWatch = {
  /** `whole`: everything in one answer. */
  list(page: { readonly more?: string; readonly whole?: boolean }, signal: AbortSignal): Promise<Listed>;
  /** Ends when the server ends it, as it does every few minutes. */
  watch(resourceVersion: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
};

export type ListWatchTiming = {
  /** After how long the server is to end a watch, and how much of that is spread. */
  readonly watchSeconds: number;
  /** Bookmarks come about once a minute (kube-apiserver, bookmarkFrequency). */
  readonly idleMs: number;
  readonly pageSize: number;
};

export const LIST_WATCH_TIMING: ListWatchTiming = { watchSeconds: 240, idleMs: 90_000, pageSize: 500 };

/**
 * As long as the server itself has for it: one under load that is asked anew before it has answered begins from the
 * start, each time, for all who ask, and never comes to an end.
 */
const LIST_PATIENCE = 4;

/** The collection at a path, narrowed by a selector: `{ labelSelector: 'a=b' }`. */
export function listWatchOf(
  api: ApiServer,
  collection: { readonly path: string; readonly selector: Readonly<Record<string, string>> },
  { watchSeconds, idleMs, pageSize }: ListWatchTiming = LIST_WATCH_TIMING,
  random: () => number = Math.random,
): ListWatch {
  const { path, selector } = collection;
  const query = (more: Readonly<Record<string, string>>): string =>
    `${path}?${new URLSearchParams({ ...selector, ...more }).toString()}`;
  return {
    // Without a resourceVersion the answer comes from a quorum of etcd: never from a cache that lags behind.
    list: async ({ more, whole = false }, signal) => {
      const limits = whole ? {} : { limit: String(pageSize) };
      const wanted = query({ ...limits, ...(more === undefined ? {} : { continue: more }) });
      return listedIn(await api.ask({ method: 'GET', path: wanted, signal, patience: LIST_PATIENCE }));
    },
    watch: async function* (resourceVersion, signal): AsyncGenerator<WatchEvent> {
      const timeoutSeconds = String(Math.round(watchSeconds * (1 + random() / 4)));
      const wanted = { watch: 'true', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds };
      const stream = await api.stream(query(wanted), { idleMs, signal });
      if (stream.is === 'refused') {
        yield refusalOf(stream.answer);
        return;
      }
      yield { is: 'open' };
      for await (const line of stream.lines) yield eventIn(line);
    },
  };
}

function listedIn(answer: Answer): Listed {
  if (!isSuccess(answer)) return refusalOf(answer);
  const { body } = answer;
  const resourceVersion = textAt(body, ['metadata', 'resourceVersion']);
  // A proxy's page in the place of a list must not be taken for an empty one. It is not quoted: it may be half a Secret.
  if (resourceVersion === undefined || resourceVersion === '')
    return { is: 'refused', message: 'the answer is no list of an API server' };
  // Empty on the last page (metav1.ListMeta).
  const continuation = textAt(body, ['metadata', 'continue']);
  return {
    is: 'page',
    objects: listOf(body.items).flatMap((item) => objectIn(item) ?? []),
    resourceVersion,
    more: continuation === '' ? undefined : continuation,
  };
}

const GONE = 410;

function refusalOf(answer: Answer): Refusal | { readonly is: 'expired' } {
  if (answer.status === GONE) return { is: 'expired' };
  const { retryAfterMs } = answer;
  return {
    is: 'refused',
    message: sentenceOf(answer),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function eventIn(line: StreamLine): WatchEvent {
  if (line.is === 'silent') return line;
  let value: unknown;
  try {
    value = JSON.parse(line.text);
  } catch {
    // V8's message quotes the line, which may be that of a Secret.
    return { is: 'refused', message: 'the watch sent a line that is no JSON' };
  }
  return meaningOf(value);
}

/** metav1.WatchEvent */
function meaningOf(value: unknown): WatchEvent {
  const type = textAt(value, ['type']) ?? '(none)';
  if (type === 'ERROR') return errorIn(valueAt(value, ['object']));
  if (type === 'BOOKMARK') return bookmarkIn(value);
  const object = objectIn(valueAt(value, ['object']));
  if (object !== undefined && ['ADDED', 'MODIFIED'].includes(type)) return { is: 'put', object };
  if (object !== undefined && type === 'DELETED') return { is: 'gone', object };
  return { is: 'refused', message: `the watch sent an event of type ${type} that is not understood` };
}

function bookmarkIn(value: unknown): WatchEvent {
  const resourceVersion = textAt(value, ['object', 'metadata', 'resourceVersion']);
  return resourceVersion === undefined
    ? { is: 'refused', message: 'the watch sent a bookmark without a resourceVersion' }
    : { is: 'bookmark', resourceVersion };
}

/** A metav1.Status in the stream stands for the answer that the watch would have got. */
function errorIn(status: unknown): WatchEvent {
  const code = valueAt(status, ['code']);
  return refusalOf({
    status: typeof code === 'number' ? code : 0,
    body: { message: textAt(status, ['message']) ?? '' },
  });
}
