import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { figureOf } from '../figures.ts';
import { requestsOf } from './agents.ts';
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
  const cpu =
    sumOf(after.map(({ cpuSeconds }) => cpuSeconds)) - sumOf(before.map(({ cpuSeconds }) => cpuSeconds));
  return [
    figureOf('rest: requests in 20 s, all agents', asked, '', { aim: '= 0', met: asked === 0 }),
    figureOf('rest: CPU of an agent', (cpu / stand.agents.length / (REST_MS / 1000)) * 100, '% of a core'),
  ];
}

/** After all that was done to it. */
export async function memory(stand: Stand): Promise<readonly Figure[]> {
  const all = await askAll(stand);
  const most = Math.max(...all.map(({ mostRss }) => mostRss)) / MEGABYTE;
  const last = Math.max(...all.map(({ rss }) => rss)) / MEGABYTE;
  return [
    figureOf('RSS of an agent, the most', most, 'MB', { aim: '< 200', met: most < 200 }),
    figureOf('RSS of an agent, at the end', last, 'MB'),
  ];
}

function sumOf(all: readonly number[]): number {
  return all.reduce((sum, each) => sum + each, 0);
}
