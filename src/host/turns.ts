/** Runs work on one thing after another; what failed holds up nothing. */
export function openTurns(): <T>(thing: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (thing, work) => {
    const mine = (last.get(thing) ?? Promise.resolve()).then(work, work);
    last.set(thing, mine);
    const done = (): void => {
      if (last.get(thing) === mine) last.delete(thing);
    };
    mine.then(done, done);
    return mine;
  };
}
