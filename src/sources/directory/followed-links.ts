import { lstat } from 'node:fs/promises';
import { followPath } from './trail.ts';
import type { Watches } from './watches.ts';

/**
 * Declaration files that are links: what they lead to is watched too, and every link on the way, such as
 * the `..data` of a ConfigMap volume. Plain files are told by the watch on their directory.
 */
export class FollowedLinks {
  readonly #watches: Watches;
  readonly #onHint: (path: string) => void;
  readonly #followed = new Map<string, () => void>();

  constructor(watches: Watches, onHint: (path: string) => void) {
    this.#watches = watches;
    this.#onHint = onHint;
  }

  /** Before each look at a file. */
  async renew(path: string): Promise<void> {
    const isLink = await lstat(path).then(
      (seen) => seen.isSymbolicLink(),
      () => false,
    );
    const before = this.#followed.get(path);
    this.#followed.delete(path);
    if (isLink) {
      const release = await followPath(this.#watches, path, () => {
        this.#onHint(path);
      });
      this.#followed.set(path, release);
    }
    before?.();
  }
}
