import { messageOf } from '../../errors.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import type { ListWatch, Listed, Refusal, WatchEvent } from './list-watch.ts';
import { backoffMs, pause } from './pause.ts';

/** Who is told what a collection holds. None of these may throw. */
export type ReflectorSink = {
  /** Also for what is not new: after each list, everything is told. */
  put(object: KubernetesObject): void;
  /** That the collection no longer holds the object with this uid; it may exist outside of the selector. */
  gone(key: InstanceKey, uid: string): void;
  /** The server is followed, or no longer, and why. Told when it changes. */
  standing(standing: ReflectorStanding): void;
};

export type ReflectorStanding =
  { readonly is: 'following' } | { readonly is: 'lost'; readonly message: string };

export type ReflectorSettings = {
  readonly random?: () => number;
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly now?: () => number;
};

const BACKOFF = { firstMs: 200, mostMs: 10_000 };
/** A watch that ends sooner than this without a word counts as a failure: no hot loop against a proxy. */
const SHORT_MS = 1_000;
/** How often a page is asked for before its list is begun anew. */
const PAGE_TRIES = 4;
/** Lists that expired between two pages before all is asked for at once. */
const EXPIRED_LISTS = 2;

/**
 * Keeps telling a sink what a collection holds: list, then watch, from where the last one ended; list again
 * when that is no longer known. Whatever fails, what was told stands until the server says otherwise.
 */
export class Reflector {
  readonly #source: ListWatch;
  readonly #sink: ReflectorSink;
  readonly #settings: Required<ReflectorSettings>;
  readonly #abort = new AbortController();
  readonly #uids = new Map<InstanceKey, string>();
  readonly #synced = Promise.withResolvers<undefined>();
  #version: string | undefined;
  #standing: ReflectorStanding['is'] | undefined;
  #failures = 0;
  #silences = 0;
  #expiries = 0;
  #expiredLists = 0;

  constructor(source: ListWatch, sink: ReflectorSink, settings: ReflectorSettings = {}) {
    this.#source = source;
    this.#sink = sink;
    this.#settings = { random: Math.random, pause, now: Date.now, ...settings };
  }

  /** Begins; resolves when everything that the collection held has been told, however long that takes. */
  async start(): Promise<void> {
    void this.#run();
    await this.#synced.promise;
  }

  close(): void {
    this.#abort.abort();
    this.#synced.resolve(undefined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list(signal);
        else await this.#watch(this.#version, signal);
      } catch (error) {
        await this.#failed(refusalBy(error));
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const seen = new Set<InstanceKey>();
    const whole = this.#expiredLists >= EXPIRED_LISTS;
    let listed = await this.#page({ whole }, signal);
    while (listed.is === 'page' && !signal.aborted) {
      for (const object of listed.objects) {
        seen.add(object.key);
        this.#put(object);
      }
      if (listed.more === undefined) {
        this.#complete(seen, listed.resourceVersion);
        return;
      }
      listed = await this.#page({ more: listed.more }, signal);
    }
    if (listed.is === 'expired') this.#expiredLists += 1;
    if (listed.is !== 'page')
      await this.#failed(listed.is === 'refused' ? listed : { is: 'refused', message: 'the list expired' });
  }

  /** One that a busy server fails to give is asked for again: those before it were as much work. */
  async #page(page: Parameters<ListWatch['list']>[0], signal: AbortSignal): Promise<Listed> {
    for (let left = PAGE_TRIES - 1; ; left -= 1) {
      const listed = await this.#source.list(page, signal).catch(refusalBy);
      if (listed.is !== 'refused' || left === 0 || signal.aborted) return listed;
      await this.#failed(listed);
    }
  }

  #complete(seen: ReadonlySet<InstanceKey>, version: string): void {
    for (const [key, uid] of [...this.#uids]) if (!seen.has(key)) this.#gone(key, uid);
    this.#version = version;
    this.#expiredLists = 0;
    this.#silences = 0;
    this.#follows();
    this.#synced.resolve(undefined);
  }

  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const startedAt = this.#settings.now();
    let said = false;
    for await (const event of this.#source.watch(from, signal)) {
      const isNews = this.#take(event);
      if (!isNews && event.is !== 'open') {
        await this.#ended(event);
        return;
      }
      said ||= isNews;
    }
    const isShort = this.#settings.now() - startedAt < SHORT_MS;
    if (!said && isShort) await this.#failed({ is: 'refused', message: 'the watch ended at once' });
    else this.#failures = 0;
  }

  /** Whether the event moved us forward. */
  #take(event: WatchEvent): boolean {
    switch (event.is) {
      case 'put':
        this.#put(event.object);
        this.#version = event.object.resourceVersion;
        break;
      case 'gone':
        this.#gone(event.object.key, event.object.uid);
        this.#version = event.object.resourceVersion;
        break;
      case 'bookmark':
        this.#version = event.resourceVersion;
        break;
      case 'open':
        this.#follows();
        return false;
      case 'expired':
      case 'silent':
      case 'refused':
        return false;
    }
    this.#silences = 0;
    this.#expiries = 0;
    this.#failures = 0;
    return true;
  }

  async #ended(event: WatchEvent): Promise<void> {
    if (event.is === 'expired') await this.#expired();
    if (event.is === 'silent') this.#fellSilent();
    if (event.is === 'refused') await this.#failed(event);
  }

  /** Once is usual after an outage; again, before the watch said anything, is a server that needs time. */
  async #expired(): Promise<void> {
    this.#version = undefined;
    this.#expiries += 1;
    if (this.#expiries > 1) await this.#failed({ is: 'refused', message: 'a new list is already too old' });
  }

  /** A server that was set back to an older state never reaches our version, and says nothing: list again. */
  #fellSilent(): void {
    this.#silences += 1;
    if (this.#silences > 1) this.#version = undefined;
  }

  #put(object: KubernetesObject): void {
    const known = this.#uids.get(object.key);
    if (known !== undefined && known !== object.uid) this.#gone(object.key, known);
    this.#uids.set(object.key, object.uid);
    this.#sink.put(object);
  }

  #gone(key: InstanceKey, uid: string): void {
    this.#uids.delete(key);
    this.#sink.gone(key, uid);
  }

  #follows(): void {
    if (this.#standing === 'following') return;
    this.#standing = 'following';
    this.#sink.standing({ is: 'following' });
  }

  async #failed({ message, retryAfterMs = 0 }: Refusal): Promise<void> {
    const { signal } = this.#abort;
    if (signal.aborted) return;
    this.#failures += 1;
    // One end of a connection is no news: it is taken up again at once.
    if (this.#failures > 1 && this.#standing !== 'lost') {
      this.#standing = 'lost';
      this.#sink.standing({ is: 'lost', message });
    }
    const waitMs = Math.max(backoffMs(this.#failures, BACKOFF, this.#settings.random), retryAfterMs);
    await this.#settings.pause(waitMs, signal);
  }
}

function refusalBy(error: unknown): Refusal {
  return { is: 'refused', message: messageOf(error) };
}
