import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlPlane } from '../../support/cluster-control-plane.ts';
import { requestsOf } from './agents.ts';
import type { Agent, AgentFigures } from './agents.ts';

/** What every phase of the bench works on. */
export type Stand = {
  readonly plane: ControlPlane;
  readonly agents: readonly Agent[];
  readonly nodes: readonly string[];
  /** Of the instances, and where the server has them. */
  readonly names: readonly string[];
  readonly path: string;
  readonly say: (text: string) => void;
};

export function askAll(
  { agents }: Stand,
  word: 'figures' | 'forget' = 'figures',
): Promise<readonly AgentFigures[]> {
  return Promise.all(agents.map((agent) => agent.ask(word)));
}

/** The times of all agents in one map, by the name of the instance. */
export function timesIn(
  all: readonly AgentFigures[],
  of: 'actedAt' | 'rotatedAt',
): ReadonlyMap<string, number> {
  const entries = all.flatMap((one) => Object.entries(one[of]));
  return new Map(entries.map(([key, at]) => [key.slice(key.indexOf('/') + 1), at]));
}

/** Milliseconds from one to the other, where both are known. */
export function delays(
  from: ReadonlyMap<string, number>,
  to: ReadonlyMap<string, number>,
): readonly number[] {
  return [...from].flatMap(([name, at]) => {
    const then = to.get(name);
    return then === undefined ? [] : [then - at];
  });
}

/** Resolves with how many were asked when no agent asks for anything any more. */
export async function untilQuiet(stand: Stand): Promise<number> {
  let count = -1;
  for (let quiet = 0; quiet < QUIET_LOOKS;) {
    await sleep(1_000);
    const next = requestsOf(await askAll(stand));
    quiet = next === count ? quiet + 1 : 0;
    count = next;
  }
  return count;
}

const QUIET_LOOKS = 4;
