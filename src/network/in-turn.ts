/** Runs one thing after the other, in the order of the calls; a failure is its caller's only. */
export type InTurn = {
  <T>(task: () => Promise<T>): Promise<T>;
  /** Tasks that wait or run. */
  readonly waiting: () => number;
};

export function inTurn(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;
  const run = async <T>(task: () => Promise<T>): Promise<T> => {
    count += 1;
    const mine = last.then(task);
    last = mine.then(
      () => (count -= 1),
      () => (count -= 1),
    );
    return mine;
  };
  return Object.assign(run, { waiting: () => count });
}
