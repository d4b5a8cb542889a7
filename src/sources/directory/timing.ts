/** How long the directory source waits for what, in milliseconds. Tests make some of them shorter. */
export type Timing = {
  /** From a change to the first look: one save is several changes. */
  readonly delayMs: number;
  /**
   * How long a file must be left alone before a doubtful sight of it counts: that it is gone, that it no
   * longer declares something, that it cannot be read, that it may be half written. vim takes about 10 ms
   * between moving the old file away and writing the new one; slow disks and rsync a good deal longer.
   */
  readonly graceMs: number;
  /** The same after a lost directory came back: a clone or a mount fills it one file after the other. */
  readonly returnGraceMs: number;
  /** How often a lost directory is looked for: nobody tells of a mount (inotify(7)). */
  readonly lostPollMs: number;
  /** How often a directory is asked whether it is still the same one: two system calls. */
  readonly identityMs: number;
  /** How often every file is compared with its last signature, for what no event told. */
  readonly rescanMs: number;
  /** How long the start waits for files that are being written just then. */
  readonly startMs: number;
  /** When a record that could not be written is tried again. */
  readonly retryMs: number;
};

export const TIMING: Timing = {
  delayMs: 5,
  graceMs: 500,
  returnGraceMs: 5_000,
  lostPollMs: 2_000,
  identityMs: 30_000,
  rescanMs: 600_000,
  startMs: 5_000,
  retryMs: 2_000,
};
