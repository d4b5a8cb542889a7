/** What one instance may hold open and how long it may dawdle. Times in milliseconds, sizes in bytes. */
export type Limits = {
  /** Connections of one instance at a time, over all its listeners. */
  readonly connections: number;
  /** Of these, how many may not yet have said which host they want. */
  readonly pending: number;
  readonly helloMs: number;
  readonly headersMs: number;
  readonly headerBytes: number;
  readonly dialMs: number;
  /** How long a request body may stand still because the guest does not send. */
  readonly bodyMs: number;
  /** A connection on which nothing moves; long, because a model may think for minutes. */
  readonly idleMs: number;
  /** A guest's connection between two requests, and a pooled connection to an upstream. */
  readonly keepAliveMs: number;
  readonly pooledMs: number;
  /** Streams in one HTTP/2 connection of a guest. */
  readonly streams: number;
};

export const LIMITS: Limits = {
  connections: 512,
  pending: 64,
  helloMs: 10_000,
  headersMs: 10_000,
  headerBytes: 16_384,
  dialMs: 10_000,
  bodyMs: 60_000,
  idleMs: 900_000,
  keepAliveMs: 90_000,
  // Below what most servers keep (nginx 75 s, Node tells its own): a reused connection should still be alive.
  pooledMs: 15_000,
  streams: 100,
};
