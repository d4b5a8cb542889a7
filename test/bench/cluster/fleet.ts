import { setTimeout as sleep } from 'node:timers/promises';
import { listOf, textAt, valueAt } from '../../../src/api/raw.ts';
import type { Mapping } from '../../../src/api/raw.ts';
import { isSuccess } from '../../../src/sources/kubernetes/api-server.ts';
import type { ApiRequest, ApiServer } from '../../../src/sources/kubernetes/api-server.ts';

/** Instances of one namespace. */
export function instancesIn(namespace: string): string {
  return `/apis/hypeman.dev/v1alpha1/namespaces/${namespace}/instances`;
}

export const AT_ONCE = 32;
/** Of a request that was given up and taken all the same. */
const ALREADY_THERE = 409;

export const now = (): number => performance.timeOrigin + performance.now();

/** Does `work` for each, several at a time. */
export async function forEach<T>(
  all: readonly T[],
  work: (one: T) => Promise<void>,
  atOnce = AT_ONCE,
): Promise<void> {
  const queue = all.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const one of queue) await work(one);
    }),
  );
}

/** Begins `work` for so many in a second, whether those before are done or not. */
export function forEachAtRate(
  perSecond: number,
): <T>(all: readonly T[], work: (one: T) => Promise<void>) => Promise<void> {
  return async (all, work) => {
    const startedAt = now();
    const works: Promise<void>[] = [];
    for (const [index, one] of all.entries()) {
      await sleep(Math.max(0, startedAt + (index * 1000) / perSecond - now()));
      works.push(work(one));
    }
    await Promise.all(works);
  };
}

/** As a user with patience asks: again until the server takes it. */
export async function insist(
  api: ApiServer,
  request: ApiRequest,
  alsoGood: readonly number[] = [],
): Promise<Mapping> {
  for (;;) {
    try {
      const answer = await api.ask(request);
      if (isSuccess(answer) || alsoGood.includes(answer.status)) return answer.body;
      if (answer.status < 500 && answer.status !== 429) throw new Error(JSON.stringify(answer.body));
    } catch (error) {
      if (!(error instanceof Error) || !('reason' in error)) throw error;
    }
    await sleep(100);
  }
}

export async function createInstance(
  api: ApiServer,
  path: string,
  name: string,
  spec: Mapping,
): Promise<void> {
  const body = { apiVersion: 'hypeman.dev/v1alpha1', kind: 'Instance', metadata: { name }, spec };
  await insist(api, { method: 'POST', path, body }, [ALREADY_THERE]);
}

/** The generation that the edit made. */
export async function editInstance(
  api: ApiServer,
  path: string,
  name: string,
  spec: Mapping,
): Promise<number> {
  const patch = 'application/merge-patch+json';
  const body = await insist(api, { method: 'PATCH', path: `${path}/${name}`, patch, body: { spec } });
  return Number(valueAt(body, ['metadata', 'generation']));
}

export type Sighted = {
  readonly name: string;
  readonly generation: number;
  readonly observed: number;
  readonly isReady: boolean;
  readonly isSynced: boolean;
};

export async function listInstances(api: ApiServer, path: string): Promise<readonly Sighted[]> {
  const found: Sighted[] = [];
  for (let more = ''; ;) {
    const body = await insist(api, { method: 'GET', path: `${path}?limit=500${more}` });
    found.push(...listOf(body.items).map(sightedIn));
    const token = textAt(body, ['metadata', 'continue']) ?? '';
    if (token === '') return found;
    more = `&continue=${encodeURIComponent(token)}`;
  }
}

export function sightedIn(object: unknown): Sighted {
  const conditions = listOf(valueAt(object, ['status', 'conditions']));
  const isTrue = (type: string): boolean =>
    conditions.some((one) => textAt(one, ['type']) === type && textAt(one, ['status']) === 'True');
  return {
    name: textAt(object, ['metadata', 'name']) ?? '',
    generation: Number(valueAt(object, ['metadata', 'generation'])),
    observed: Number(valueAt(object, ['status', 'observedGeneration']) ?? 0),
    isReady: isTrue('Ready'),
    isSynced: isTrue('CredentialsSynced') && isTrue('Running'),
  };
}

/** Ready, as of its last generation. */
export function isAtRest({ generation, observed, isReady }: Sighted): boolean {
  return isReady && observed === generation;
}

/** When each was first seen at rest in its generation, `NAME GENERATION`, by a watch from now on. */
export async function watchFleet(
  api: ApiServer,
  collection: string,
): Promise<{ readonly restAt: Map<string, number>; close(): void }> {
  const restAt = new Map<string, number>();
  const over = new AbortController();
  const list = await insist(api, { method: 'GET', path: `${collection}?limit=1` });
  let version = textAt(list, ['metadata', 'resourceVersion']) ?? '';
  const follow = async (): Promise<void> => {
    const path = `${collection}?watch=1&resourceVersion=${version}&timeoutSeconds=3600`;
    const stream = await api.stream(path, { idleMs: 3_600_000, signal: over.signal });
    if (stream.is === 'refused') return;
    for await (const line of stream.lines) {
      if (line.is === 'silent') return;
      const { object } = JSON.parse(line.text) as Mapping;
      version = textAt(object, ['metadata', 'resourceVersion']) ?? version;
      const seen = sightedIn(object);
      const id = `${seen.name} ${seen.generation}`;
      if (isAtRest(seen) && !restAt.has(id)) restAt.set(id, now());
    }
  };
  void (async () => {
    // The server ends watches of readers that are slow, and of all when it ends itself.
    while (!over.signal.aborted) {
      await follow().catch(() => undefined);
      await sleep(20);
    }
  })();
  return {
    restAt,
    close: () => {
      over.abort();
    },
  };
}
