import { basename } from 'node:path';
import { identityOfDirectory, watchDirectory } from '../../host/watch-directory.ts';
import { needsPolling, pollDirectory } from './polled-directory.ts';
import type { DirectoryWatch } from '../../host/watch-directory.ts';

/** On a filesystem that tells nothing, a change is seen within this time. */
const POLL_MS = 1_000;

/** `name` is undefined when anything in the directory may have changed. */
export type ChangeListener = (name: string | undefined) => void;

type Watched = {
  watch: DirectoryWatch | undefined;
  readonly all: Set<ChangeListener>;
  readonly named: Map<string, Set<ChangeListener>>;
};

/**
 * One kernel watch per directory, however many want to know of it. A directory that is replaced by
 * another of the same name is noticed and watched again; one that is not there is watched from the
 * next `listen` or `renew` on.
 */
export class Watches {
  readonly #watched = new Map<string, Watched>();
  readonly #onError: (error: unknown) => void;

  /** `onError` hears of directories that could not be watched though they are there. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Calls the listener for one name in a directory, or for all of them; returns how to stop. */
  listen(directory: string, name: string | undefined, listener: ChangeListener): () => void {
    const watched: Watched = this.#watched.get(directory) ?? {
      watch: undefined,
      all: new Set(),
      named: new Map(),
    };
    this.#watched.set(directory, watched);
    const named = name === undefined ? undefined : (watched.named.get(name) ?? new Set<ChangeListener>());
    if (name !== undefined && named !== undefined) watched.named.set(name, named);
    const listeners = named ?? watched.all;
    listeners.add(listener);
    this.renew(directory);
    return () => {
      listeners.delete(listener);
      if (name !== undefined && listeners.size === 0) watched.named.delete(name);
      if (watched.all.size + watched.named.size > 0) return;
      watched.watch?.close();
      if (this.#watched.get(directory) === watched) this.#watched.delete(directory);
    };
  }

  /** Makes sure that the directory which stands there now is the one that is watched. */
  renew(directory: string): void {
    const watched = this.#watched.get(directory);
    if (watched === undefined || watched.watch?.identity === identityOfDirectory(directory)) return;
    this.#reopen(directory, watched);
  }

  close(): void {
    for (const { watch } of this.#watched.values()) watch?.close();
    this.#watched.clear();
  }

  #reopen(directory: string, watched: Watched): void {
    watched.watch?.close();
    watched.watch = undefined;
    if (identityOfDirectory(directory) === undefined) return;
    try {
      const hear = (name: string | undefined): void => {
        this.#hear(directory, watched, name);
      };
      watched.watch = needsPolling(directory)
        ? pollDirectory(directory, hear, POLL_MS)
        : watchDirectory(directory, hear);
    } catch (error) {
      this.#onError(error);
    }
  }

  #hear(directory: string, watched: Watched, name: string | undefined): void {
    // Its own name means that the watch itself may have ended, whatever stands under the name now.
    const isOwn = name === basename(directory);
    if (isOwn) this.#reopen(directory, watched);
    else if (name === undefined) this.renew(directory);
    const listeners =
      name === undefined || isOwn
        ? [...watched.named.values()].flatMap((set) => [...set])
        : [...(watched.named.get(name) ?? [])];
    for (const listener of [...watched.all, ...listeners]) listener(isOwn ? undefined : name);
  }
}
