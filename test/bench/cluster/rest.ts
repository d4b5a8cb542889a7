import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { figureOf } from '../figures.ts';
import { cpuSecondsOf, requestsOf } from './agents.ts';
import type { AgentFigures } from './agents.ts';
import { askAll } from './stand.ts';
import type { Stand } from './stand.ts';

const REST_MS = 20_000;
const MEGABYTE = 1e6;

/** Nothing happens: nothing is asked. */
export async function rest(stand: Stand): Promise<readonly Figure[]> {
  const before = await askAll(stand);
  await sleep(REST_MS);
  const after = await askAll(stand);
  const asked = requestsOf(after) - requestsOf(before);
  const cpu = cpuSecondsOf(after) - cpuSecondsOf(before);
  return [
    figureOf('rest: requests in 20 s, all agents', asked, '', { aim: '= 0', met: asked === 0 }),
    figureOf('rest: CPU of an agent', (cpu / stand.agents.length / (REST_MS / 1000)) * 100, '% of a core'),
  ];
}

/** Before it has anything. */
export async function emptyMemory(stand: Stand): Promise<readonly Figure[]> {
  const all = await askAll(stand);
  return [figureOf('RSS of an agent without instances', largest(all, 'rss'), 'MB')];
}

/** After all that was done to it. */
export async function memory(stand: Stand): Promise<readonly Figure[]> {
  const all = await askAll(stand);
  const most = largest(all, 'mostRss');
  const last = largest(all, 'rss');
  return [
    figureOf('RSS of an agent, the most', most, 'MB', { aim: '< 200', met: most < 200 }),
    figureOf('RSS of an agent, at the end', last, 'MB'),
  ];
}

function largest(all: readonly AgentFigures[], of: 'rss' | 'mostRss'): number {
  return Math.max(...all.map((one) => one[of])) / MEGABYTE;
}
