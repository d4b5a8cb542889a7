import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';

export type PlacementFigures = {
  /** This one has the Lease. */
  readonly isAtWork: boolean;
  /** Instances that no node has. */
  readonly unplaced: number;
  /** Nodes, by what may be thought of each. */
  readonly nodes: Readonly<Record<string, number>>;
};

/**
 * What placement sees, read at each scrape. Each replica sees all of it, whether it is at work or waits for its turn:
 * of several the largest is asked for, never the sum.
 */
export function openPlacementMetrics(registers: Registry[], read: () => PlacementFigures): void {
  const leader = new Gauge({
    name: 'hypeman_placement_leader',
    help: '1 where this replica has the Lease and is at work, else 0.',
    registers,
    collect: () => {
      leader.set(read().isAtWork ? 1 : 0);
    },
  });
  const unplaced = new Gauge({
    name: 'hypeman_placement_unplaced_instances',
    help: 'Instances that no node has.',
    registers,
    collect: () => {
      unplaced.set(read().unplaced);
    },
  });
  const nodes = new Gauge({
    name: 'hypeman_placement_nodes',
    help: 'Nodes that have, or had, an agent by what may be thought of them: alive, silent (nothing is heard of the agent), unreachable, out-of-service, gone.',
    labelNames: ['standing'],
    registers,
    collect: () => {
      nodes.reset();
      for (const [standing, count] of Object.entries(read().nodes)) nodes.set({ standing }, count);
    },
  });
}
