/**
 * Looks at a path and answers how many milliseconds later it must be looked at again, 0 for "seen enough".
 * `quietMs` is how long nobody told of a change.
 */
export type LookAtPath = (path: string, quietMs: number) => Promise<number>;

export type FileChecksOptions = {
  readonly look: LookAtPath;
  readonly delayMs: number;
  readonly limit: number;
  readonly now: () => number;
  readonly onError: (error: unknown, path: string) => void;
};

type Check = {
  quietSince: number;
  dueAt: number;
  timer: NodeJS.Timeout | undefined;
  isRunning: boolean;
  isStale: boolean;
  isNew: boolean;
};

/**
 * Turns hints that a path may have changed into looks at it: soon after the hint, one at a time for each
 * path, a bounded number at a time for all, and again for as long as the look asks for it.
 */
export class FileChecks {
  readonly #options: FileChecksOptions;
  readonly #checks = new Map<string, Check>();
  readonly #waiting: string[] = [];
  #running = 0;
  #isClosed = false;
  #unseen = 0;
  /** Who waits for every path to have been looked at once, and for none to need another look. */
  readonly #untilSeen: (() => void)[] = [];
  readonly #untilIdle: (() => void)[] = [];

  constructor(options: FileChecksOptions) {
    this.#options = options;
  }

  hint(path: string): void {
    if (this.#isClosed) return;
    const check = this.#checks.get(path);
    if (check === undefined) {
      const fresh: Check = {
        dueAt: 0,
        quietSince: this.#options.now(),
        timer: undefined,
        isRunning: false,
        isStale: false,
        isNew: true,
      };
      this.#unseen += 1;
      this.#checks.set(path, fresh);
      this.#runLater(path, fresh, this.#options.delayMs);
      return;
    }
    check.quietSince = this.#options.now();
    if (check.isRunning) check.isStale = true;
    else if (check.timer !== undefined && check.dueAt > check.quietSince + this.#options.delayMs)
      this.#runLater(path, check, this.#options.delayMs);
  }

  /** Resolves when every path was looked at and none needs another look, or the latter `deadlineMs` later. */
  async settled(deadlineMs: number): Promise<void> {
    if (this.#unseen > 0) await new Promise<void>((resolve) => this.#untilSeen.push(resolve));
    if (this.#checks.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      this.#untilIdle.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#checks.values()) clearTimeout(timer);
    this.#checks.clear();
    tell(this.#untilSeen);
    tell(this.#untilIdle);
  }

  #runLater(path: string, check: Check, afterMs: number): void {
    clearTimeout(check.timer);
    check.dueAt = this.#options.now() + afterMs;
    check.timer = setTimeout(() => {
      check.timer = undefined;
      // While the loop stood still nothing could be heard: that time was not quiet.
      check.quietSince += Math.max(this.#options.now() - check.dueAt, 0);
      this.#waiting.push(path);
      this.#next();
    }, afterMs);
  }

  #next(): void {
    while (this.#running < this.#options.limit) {
      const path = this.#waiting.shift();
      if (path === undefined) return;
      const check = this.#checks.get(path);
      if (check !== undefined) void this.#run(path, check);
    }
  }

  async #run(path: string, check: Check): Promise<void> {
    this.#running += 1;
    check.isRunning = true;
    check.isStale = false;
    const againMs = await this.#looked(path, check);
    check.isRunning = false;
    this.#running -= 1;
    this.#noteSeen(check);
    if (this.#isClosed) return;
    // Asked by a function: the flag may have been raised while the look took its time.
    if (isStale(check)) this.#runLater(path, check, this.#options.delayMs);
    else if (againMs > 0) this.#runLater(path, check, againMs);
    else this.#finish(path);
    this.#next();
  }

  async #looked(path: string, check: Check): Promise<number> {
    try {
      return await this.#options.look(path, this.#options.now() - check.quietSince);
    } catch (error) {
      this.#options.onError(error, path);
      return 0;
    }
  }

  #noteSeen(check: Check): void {
    if (!check.isNew) return;
    check.isNew = false;
    this.#unseen -= 1;
    if (this.#unseen === 0) tell(this.#untilSeen);
  }

  #finish(path: string): void {
    this.#checks.delete(path);
    if (this.#checks.size === 0) tell(this.#untilIdle);
  }
}

/** Calls each one, once. */
function tell(waiting: (() => void)[]): void {
  for (const resolve of waiting.splice(0)) resolve();
}

function isStale(check: Check): boolean {
  return check.isStale;
}
