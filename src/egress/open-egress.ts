import type { Egress, Followed } from './egress.ts';
import { followDecisions } from './control/following.ts';
import type { Following } from './control/following.ts';
import { Keeper } from './keeper.ts';
import type { EgressOptions } from './keeper.ts';
import { endEgress } from './launch.ts';

/** Finds the process if there is one and takes it over; returns whether or not that succeeded. */
export async function openEgress(options: EgressOptions): Promise<Egress> {
  const keeper = new Keeper(options);
  await keeper.begin();
  return {
    put: (policy, revision) => keeper.put(policy, revision),
    remove: (instance, how) => keeper.remove(instance, how?.forget === true),
    inForce: (instance) => keeper.inForce(instance),
    known: () => keeper.known(),
    counters: async (instance) => (keeper.isResting ? [] : await keeper.client().counters(instance)),
    decisions: (ask) => decisionsOf(keeper, ask),
    problem: () => keeper.problem,
    close: () => keeper.close(),
    end: async () => {
      await keeper.close();
      await endEgress(keeper.place, options.bootId);
    },
  };
}

/** Where there is no process, nothing was decided. */
async function* decisionsOf(keeper: Keeper, ask: Following): AsyncGenerator<Followed> {
  if (!keeper.isResting) yield* followDecisions(keeper.place.socket, ask);
}
