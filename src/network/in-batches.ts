import { reasonOf } from '../errors.ts';

/**
 * One piece of work for many callers: who calls while a turn is waited for joins the batch that it will do. What
 * fails for several is done again for each alone, so that a failure is its caller's only. `work` must bear repetition.
 * What hangs fails for all: everybody else would wait for as many deadlines as there are callers.
 */
export function inBatches<T>(
  inTurn: <R>(task: () => Promise<R>) => Promise<R>,
  work: (batch: readonly T[]) => Promise<void>,
): (one: T) => Promise<void> {
  let open: { readonly batch: T[]; readonly outcomes: Promise<readonly Promise<void>[]> } | undefined;
  const begin = (): NonNullable<typeof open> => {
    const batch: T[] = [];
    const outcomes = inTurn(() => {
      open = undefined;
      return outcomesOf(batch, work);
    });
    open = { batch, outcomes };
    return open;
  };
  return async (one) => {
    const { batch, outcomes } = open ?? begin();
    const place = batch.push(one) - 1;
    await (
      await outcomes
    )[place];
  };
}

/** Settled, each with its handler, before they are handed out: none of them is ever unhandled. */
async function outcomesOf<T>(
  batch: readonly T[],
  work: (batch: readonly T[]) => Promise<void>,
): Promise<readonly Promise<void>[]> {
  const all = work(batch);
  const [together] = await Promise.allSettled([all]);
  const isOver = together.status === 'fulfilled' || reasonOf(together.reason) === 'CommandTimeout';
  if (isOver || batch.length === 1) return batch.map(() => all);
  const outcomes: Promise<void>[] = [];
  for (const one of batch) {
    const alone = work([one]);
    outcomes.push(alone);
    await Promise.allSettled([alone]);
  }
  return outcomes;
}
