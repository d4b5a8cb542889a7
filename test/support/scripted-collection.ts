import { objectIn } from '../../src/sources/kubernetes/kubernetes-object.ts';
import type { KubernetesObject } from '../../src/sources/kubernetes/kubernetes-object.ts';
import type { Listed, ListWatch, WatchEvent } from '../../src/sources/kubernetes/list-watch.ts';
import { Reflector } from '../../src/sources/kubernetes/reflector.ts';

/** An object of a collection, as a server would send it. */
export function object(name: string, resourceVersion: number, uid = `uid-${name}`): KubernetesObject {
  const found = objectIn({
    metadata: { namespace: 'n', name, uid, resourceVersion: String(resourceVersion) },
  });
  if (found === undefined) throw new Error('not an object');
  return found;
}

export function page(objects: readonly KubernetesObject[], resourceVersion: number, more?: string): Listed {
  return { is: 'page', objects, resourceVersion: String(resourceVersion), more };
}

/** What one watch does: its events, and then it ends, breaks, or stays open until the reflector is closed. */
export type Watching = { readonly events: readonly WatchEvent[]; readonly then: 'end' | 'break' | 'stay' };

export type Script = { readonly lists: (Listed | Error)[]; readonly watches: Watching[] };

/** What was asked and told, in order; and the pauses that were taken, in milliseconds, which take no time here. */
export type Played = { readonly asked: string[]; readonly told: string[]; readonly pauses: number[] };

/** Plays a script to a reflector until the script is at its end; then every question goes unanswered. */
export async function play(script: Script): Promise<Played> {
  const played: Played = { asked: [], told: [], pauses: [] };
  const ended = Promise.withResolvers<undefined>();
  const nothingMore = new Promise<never>(() => undefined);
  let now = 0;
  const source: ListWatch = {
    list: async ({ more, whole = false }) => {
      const next = script.lists.shift();
      if (next === undefined) {
        ended.resolve(undefined);
        return nothingMore;
      }
      played.asked.push(`list${whole ? ' whole' : ''}${more === undefined ? '' : ` ${more}`}`);
      if (next instanceof Error) throw next;
      return next;
    },
    watch: async function* (version) {
      const next = script.watches.shift();
      if (next === undefined) {
        ended.resolve(undefined);
        await nothingMore;
        return;
      }
      played.asked.push(`watch ${version}`);
      yield* next.events;
      // Long enough not to count as a watch that ended at once, when it said nothing.
      if (next.events.length > 0) now += 60_000;
      if (next.then === 'break') throw new Error('the connection broke');
      if (next.then === 'stay') {
        ended.resolve(undefined);
        await nothingMore;
      }
    },
  };
  const reflector = new Reflector(
    source,
    {
      put: ({ key, resourceVersion }) => played.told.push(`put ${key}@${resourceVersion}`),
      gone: (key, uid) => played.told.push(`gone ${key} ${uid}`),
      standing: ({ is }) => played.told.push(is),
    },
    {
      random: () => 0.5,
      now: () => now,
      pause: (ms) => {
        played.pauses.push(ms);
        return Promise.resolve();
      },
    },
  );
  void reflector.start();
  await ended.promise;
  reflector.close();
  return played;
}
