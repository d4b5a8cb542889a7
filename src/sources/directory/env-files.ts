import { envFileFrom } from '../environment.ts';
import type { EnvFile } from '../environment.ts';
import { mayBeHalfWritten } from './doubt.ts';
import type { FileChecks } from './file-checks.ts';
import { observeFile } from './observe-file.ts';
import type { FileVersion, Observation } from './observe-file.ts';
import { followPath } from './trail.ts';
import type { Watches } from './watches.ts';

type Kept = {
  release: () => void;
  file: EnvFile | undefined;
  version: FileVersion | undefined;
};

/**
 * The dotenv files that instances name, wherever they are. A file that is being saved keeps its last
 * values, for half an environment would restart a machine with it.
 */
export class EnvFiles {
  readonly #kept = new Map<string, Kept>();
  readonly #watches: Watches;
  readonly #graceMs: number;
  readonly #onChange: (path: string) => void;

  constructor(watches: Watches, graceMs: number, onChange: (path: string) => void) {
    this.#watches = watches;
    this.#graceMs = graceMs;
    this.#onChange = onChange;
  }

  /** From now on somebody needs this file; `checks` is told of its changes. */
  use(path: string, checks: FileChecks): void {
    this.#kept.set(path, { release: () => undefined, file: undefined, version: undefined });
    checks.hint(path);
  }

  drop(path: string): void {
    this.#kept.get(path)?.release();
    this.#kept.delete(path);
  }

  async valuesOf(path: string): Promise<EnvFile> {
    return this.#kept.get(path)?.file ?? envFileFrom(path, await observeFile(path));
  }

  /** A look for `FileChecks`. */
  async look(path: string, quietMs: number, onHint: (path: string) => void): Promise<number> {
    const kept = this.#kept.get(path);
    if (kept === undefined) return 0;
    await this.#follow(path, kept, onHint);
    const seen = await observeFile(path, kept.version?.signature);
    if (seen.is === 'same') return 0;
    const waitMs = kept.file?.is === 'ready' && isDoubtful(seen, kept.version) ? this.#graceMs - quietMs : 0;
    if (waitMs > 0) return waitMs;
    kept.file = envFileFrom(path, seen);
    kept.version = seen.is === 'text' ? seen.version : undefined;
    this.#onChange(path);
    return 0;
  }

  async #follow(path: string, kept: Kept, onHint: (path: string) => void): Promise<void> {
    const release = await followPath(this.#watches, path, () => {
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
