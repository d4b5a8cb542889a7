import { envFileFrom } from '../environment.ts';
import type { EnvFile } from '../environment.ts';
import { mayBeHalfWritten } from './doubt.ts';
import { observeFile } from './observe-file.ts';
import type { FileVersion, Observation } from './observe-file.ts';
import { followPath } from './trail.ts';
import type { Watches } from './watches.ts';

type Kept = {
  release: () => void;
  file: EnvFile | undefined;
  version: FileVersion | undefined;
};

export type EnvFilesOptions = {
  readonly watches: Watches;
  readonly graceMs: number;
  /** A file should be looked at soon. */
  readonly onHint: (path: string) => void;
  /** What a file says is another thing now. */
  readonly onChange: (path: string) => void;
};

/**
 * The dotenv files that instances name, wherever they are. A file that is being saved keeps its last
 * values, for half an environment would restart a machine with it.
 */
export class EnvFiles {
  readonly #kept = new Map<string, Kept>();
  readonly #options: EnvFilesOptions;

  constructor(options: EnvFilesOptions) {
    this.#options = options;
  }

  /** From now on somebody needs this file. */
  use(path: string): void {
    this.#kept.set(path, { release: () => undefined, file: undefined, version: undefined });
    this.#options.onHint(path);
  }

  drop(path: string): void {
    this.#kept.get(path)?.release();
    this.#kept.delete(path);
  }

  async valuesOf(path: string): Promise<EnvFile> {
    if (this.#kept.get(path)?.file === undefined) await this.look(path, 0);
    return this.#kept.get(path)?.file ?? envFileFrom(path, await observeFile(path));
  }

  /** A look for `FileChecks`. */
  async look(path: string, quietMs: number): Promise<number> {
    const kept = this.#kept.get(path);
    if (kept === undefined) return 0;
    await this.#follow(path, kept);
    const seen = await observeFile(path, kept.version?.signature);
    if (seen.is === 'same') return 0;
    const isReady = kept.file?.is === 'ready';
    const waitMs = isReady && isDoubtful(seen, kept.version) ? this.#options.graceMs - quietMs : 0;
    if (waitMs > 0) return waitMs;
    const isFirst = kept.file === undefined;
    kept.file = envFileFrom(path, seen);
    kept.version = seen.is === 'text' ? seen.version : undefined;
    if (!isFirst) this.#options.onChange(path);
    return 0;
  }

  async #follow(path: string, kept: Kept): Promise<void> {
    const { watches, onHint } = this.#options;
    const release = await followPath(watches, path, () => {
      onHint(path);
    });
    kept.release();
    kept.release = release;
    if (this.#kept.get(path) !== kept) release();
  }
}

function isDoubtful(seen: Observation, before: FileVersion | undefined): boolean {
  return seen.is !== 'text' || mayBeHalfWritten(seen.text, seen.version, before);
}
