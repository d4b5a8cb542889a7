import { basename, dirname, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { errorCode, isAbsence } from '../../host/files.ts';
import { identityOfDirectory } from '../../host/watch-directory.ts';
import type { Logger } from '../../log.ts';
import type { DeclarationRecords } from './declaration-records.ts';
import type { FileChecks } from './file-checks.ts';
import type { Ledger } from './ledger.ts';
import { isDeclarationName, isHidden } from './names.ts';
import type { Register } from './register.ts';
import type { Timing } from './timing.ts';
import { followPath } from './trail.ts';
import { listTree } from './tree.ts';
import type { Watches } from './watches.ts';

export type WatchedRootOptions = {
  readonly ledger: Ledger;
  readonly register: Register;
  readonly records: DeclarationRecords;
  readonly watches: Watches;
  readonly files: FileChecks;
  readonly log: Logger;
  readonly now: () => number;
  readonly timing: Timing;
  /** Whether a file declares anything now, readable or not in other respects. */
  readonly isDeclaration: (path: string) => Promise<boolean>;
};

/**
 * One watched path: a directory with all below it, or a single file. It is trusted for as long as the
 * directory that was read is the one that is there; otherwise whatever it declared is held.
 */
export class WatchedRoot {
  readonly path: string;
  readonly #options: WatchedRootOptions;
  readonly #directories = new Map<string, () => void>();
  #release: () => void = () => undefined;
  #lastLossAt = 0;
  #returnedAt = Number.NEGATIVE_INFINITY;
  #examining: Promise<void> | undefined;
  #isStale = false;
  #isClosed = false;

  constructor(path: string, options: WatchedRootOptions) {
    this.path = path;
    this.#options = options;
  }

  covers(path: string): boolean {
    return path === this.path || path.startsWith(`${this.path}/`);
  }

  noteLoss(): void {
    this.#lastLossAt = this.#options.now();
  }

  /**
   * 0 when what is gone may count as deleted. While more and more goes it may be the directory itself that
   * is being removed; after a return everything may still be on its way.
   */
  lossPatience(): number {
    const { timing, now } = this.#options;
    const sinceLoss = timing.graceMs - (now() - this.#lastLossAt);
    const sinceReturn = timing.returnGraceMs - (now() - this.#returnedAt);
    const waitMs = Math.max(sinceLoss, sinceReturn, 0);
    if (waitMs > 0 || this.#isSame()) return waitMs;
    void this.examine();
    return timing.graceMs;
  }

  /** Cheap: whether the directory is still the one that was read, and a full look when it is not. */
  async checkIdentity(): Promise<void> {
    if (!this.#isSame() || this.#options.ledger.isLost(this.path)) await this.examine();
  }

  /** Lists the whole root and has each file looked at that is or was there. One at a time. */
  async examine(): Promise<void> {
    this.#isStale = true;
    this.#examining ??= this.#examineWhileStale();
    await this.#examining;
  }

  close(): void {
    this.#isClosed = true;
    this.#release();
    for (const release of this.#directories.values()) release();
    this.#directories.clear();
  }

  async #examineWhileStale(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      try {
        await this.#examineOnce();
      } catch (error) {
        this.#options.log.error(
          { watch: this.path, message: messageOf(error) },
          'watched directory not examined',
        );
      }
    }
    this.#examining = undefined;
  }

  async #examineOnce(): Promise<void> {
    const { watches, ledger, files } = this.#options;
    const release = await followPath(watches, this.path, () => void this.examine());
    this.#release();
    this.#release = release;
    const found = await this.#listed();
    if (found.is === 'lost') {
      this.#lose(found.message);
      return;
    }
    if (await this.#isStranger(found)) {
      this.#lose(`the watched ${this.path} was replaced by a directory that declares nothing`);
      return;
    }
    await this.#find(found.identity);
    for (const file of new Set([...found.files, ...ledger.filesOfRoot(this.path)])) files.hint(file);
  }

  async #listed(): Promise<Listing> {
    try {
      const identity = identityOfDirectory(this.#container());
      const files = this.#isFile() ? [this.path] : await this.#listTree(this.path);
      if (identity !== undefined) return { is: 'found', identity, files };
      return { is: 'lost', message: `the watched ${this.path} is not there` };
    } catch (error) {
      const why = isAbsence(error)
        ? 'is not there'
        : `cannot be read (${errorCode(error) ?? 'unknown error'})`;
      return { is: 'lost', message: `the watched ${this.path} ${why}` };
    }
  }

  /** Another directory than the one that was read, without a single declaration: an unmounted disk. */
  async #isStranger({ identity, files }: Found): Promise<boolean> {
    const { records, ledger, isDeclaration } = this.#options;
    const known = records.identityOf(this.path);
    if (known === undefined || known === identity) return false;
    if (!ledger.filesOfRoot(this.path).some((file) => ledger.declares(file))) return false;
    for (const file of files) if (await isDeclaration(file)) return false;
    return true;
  }

  #lose(problem: string): void {
    const { ledger, register, log } = this.#options;
    const message = `${problem}: what it declared stays as it is until it is back, or until a start with --prune-all`;
    if (!ledger.isLost(this.path)) log.error({ watch: this.path, message }, 'watched directory lost');
    register.consider(ledger.loseRoot(this.path, message));
  }

  async #find(identity: string): Promise<void> {
    const { ledger, register, records, log, now } = this.#options;
    await records.writeIdentity(this.path, identity);
    if (!ledger.isLost(this.path)) return;
    this.#returnedAt = now();
    log.info({ watch: this.path }, 'watched directory is back');
    register.consider(ledger.findRoot(this.path));
  }

  async #listTree(top: string): Promise<readonly string[]> {
    const { watches, log } = this.#options;
    return listTree(top, {
      enter: (directory) => {
        if (this.#isClosed) return;
        if (this.#directories.has(directory)) watches.renew(directory);
        else this.#directories.set(directory, this.#listenIn(directory));
      },
      unreadable: (directory, error) => {
        // Gone again, most likely; its files are looked at one by one in any case.
        if (!isAbsence(error))
          log.warn({ directory, code: errorCode(error) ?? '' }, 'directory cannot be read');
      },
    });
  }

  #listenIn(directory: string): () => void {
    return this.#options.watches.listen(directory, undefined, (name) => {
      if (name === undefined) void this.examine();
      else if (!isHidden(name)) void this.#change(join(directory, name));
    });
  }

  async #change(path: string): Promise<void> {
    const { files, ledger } = this.#options;
    const wasDirectory = this.#directories.has(path);
    if (!wasDirectory && isDeclarationName(basename(path))) {
      files.hint(path);
      return;
    }
    const isDirectory = identityOfDirectory(path) !== undefined;
    if (!isDirectory) this.#leave(path);
    const found = isDirectory ? await this.#listTree(path).catch(() => []) : [];
    const known = wasDirectory ? ledger.filesUnder(path) : [];
    for (const file of new Set([...found, ...known])) files.hint(file);
  }

  #leave(path: string): void {
    for (const [directory, release] of this.#directories) {
      if (directory !== path && !directory.startsWith(`${path}/`)) continue;
      release();
      this.#directories.delete(directory);
    }
  }

  #isSame(): boolean {
    return identityOfDirectory(this.#container()) === this.#options.records.identityOf(this.path);
  }

  /** A single file is trusted as long as the directory around it is. */
  #container(): string {
    return this.#isFile() ? dirname(this.path) : this.path;
  }

  #isFile(): boolean {
    if (!isDeclarationName(basename(this.path))) return false;
    return identityOfDirectory(this.path) === undefined;
  }
}

type Found = { readonly is: 'found'; readonly identity: string; readonly files: readonly string[] };
type Listing = Found | { readonly is: 'lost'; readonly message: string };
