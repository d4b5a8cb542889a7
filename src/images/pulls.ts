import { fateOf, messageOf, reasonOf } from '../errors.ts';
import type { ImageState } from '../machine/image.ts';
import { retryDelayMs } from './pull-failure.ts';

/** The digest that is now in the cache; `note` when it is not what the registry says today. */
export type Pulled = { readonly digest: string; readonly note?: string };

/** One pull, from the question which digest to the image in the cache. */
export type PullWork = (tell: (progress: string) => void, signal: AbortSignal) => Promise<Pulled>;

export type PullOutcome =
  | { readonly is: 'unknown' }
  | { readonly is: 'pulling' | 'failed'; readonly state: ImageState }
  | ({ readonly is: 'done'; readonly at: number } & Pulled);

type Job = { outcome: PullOutcome; failures: number; readonly askedAs: Set<string>; running?: Promise<void> };

/**
 * The pulls in hand and how the last one of each name ended. A name that is being pulled is not pulled twice at
 * once: whoever asks joins, and is told by the reference that they asked with.
 */
export class Pulls {
  readonly #jobs = new Map<string, Job>();
  readonly #closing = new AbortController();
  readonly #onChange: (reference: string) => void;
  readonly #now: () => number;

  constructor(options: { readonly onChange: (reference: string) => void; readonly now: () => number }) {
    this.#onChange = options.onChange;
    this.#now = options.now;
  }

  outcomeOf(name: string): PullOutcome {
    return this.#jobs.get(name)?.outcome ?? { is: 'unknown' };
  }

  start(name: string, askedAs: string, work: PullWork): void {
    if (this.#closing.signal.aborted) return;
    const job = this.#jobs.get(name) ?? { outcome: { is: 'unknown' }, failures: 0, askedAs: new Set() };
    this.#jobs.set(name, job);
    job.askedAs.add(askedAs);
    if (job.running !== undefined) return;
    job.outcome = pulling('waiting for its turn');
    job.running = this.#perform(job, work);
  }

  /** Ends all pulls and waits for them. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const job of this.#jobs.values()) await job.running;
  }

  async #perform(job: Job, work: PullWork): Promise<void> {
    const tell = (progress: string): void => {
      if (job.outcome.is === 'pulling' && same(job.outcome.state, progress)) return;
      job.outcome = pulling(progress);
      this.#announce(job);
    };
    try {
      const pulled = await work(tell, this.#closing.signal);
      job.outcome = { is: 'done', at: this.#now(), ...pulled };
      job.failures = 0;
    } catch (error) {
      job.failures += 1;
      job.outcome = { is: 'failed', state: this.#failed(error, job.failures) };
    }
    delete job.running;
    this.#announce(job);
    job.askedAs.clear();
  }

  #failed(error: unknown, failures: number): ImageState {
    const reason = reasonOf(error);
    return {
      state: 'failed',
      fate: fateOf(error) === 'invalid' ? 'invalid' : 'transient',
      reason,
      message: messageOf(error),
      retryAt: this.#now() + retryDelayMs(reason, failures),
    };
  }

  #announce(job: Job): void {
    if (this.#closing.signal.aborted) return;
    for (const reference of [...job.askedAs]) this.#onChange(reference);
  }
}

function pulling(progress: string): PullOutcome {
  return { is: 'pulling', state: { state: 'pulling', progress } };
}

function same(state: ImageState, progress: string): boolean {
  return state.state === 'pulling' && state.progress === progress;
}
