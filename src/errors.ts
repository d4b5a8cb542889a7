/** What the reconcile loop does with a failure. */
export type Fate =
  | 'invalid' // the user must move: wait for a new generation
  | 'transient' // time must pass: try again with backoff
  | 'bug'; // our mistake: hold this instance, keep the others running

/** What varies in an error, for a log line. Never a secret. */
export type Facts = Readonly<Record<string, string | number>>;

/**
 * The one error class. `reason` is CamelCase and becomes the reason of a status condition; the
 * message is a sentence for the user that says what was being done and to what.
 */
export class HypemanError extends Error {
  override readonly name = 'HypemanError';
  readonly fate: Fate;
  readonly reason: string;
  readonly facts: Facts;

  constructor(fate: Fate, reason: string, message: string, options: { cause?: unknown; facts?: Facts } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.fate = fate;
    this.reason = reason;
    this.facts = options.facts ?? {};
  }
}

/** Anything that was not foreseen counts as transient: level-based loops heal by looking again. */
export function fateOf(error: unknown): Fate {
  return error instanceof HypemanError ? error.fate : 'transient';
}

/** The condition reason of any thrown value. */
export function reasonOf(error: unknown): string {
  return error instanceof HypemanError ? error.reason : 'UnexpectedError';
}

/** One line of text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Closes a switch over a union; adding a member turns every such switch into a compile error. */
export function unreachable(value: never): never {
  throw new HypemanError('bug', 'Unreachable', `unhandled case ${JSON.stringify(value)}`);
}
