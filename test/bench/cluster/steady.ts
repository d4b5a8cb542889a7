import type { Figure } from '../figures.ts';
import { figureOf, quantileOf } from '../figures.ts';
import { runBare } from './bare.ts';
import { createInstance, forEachAtRate, instancesIn, now } from './fleet.ts';
import { askAll, delays, timesIn, untilQuiet } from './stand.ts';
import type { Stand } from './stand.ts';

const COUNT = 300;
const PER_SECOND = 20;
const PATH = instancesIn('steady');

/**
 * Instances that come one after the other, as they do when nobody measures: Kubernetes' own aim for Pods is stated at
 * this rate (SLO "pod startup latency", churn of 20 a second). First by the bare client, then over all agents.
 */
export async function steady(stand: Stand): Promise<readonly Figure[]> {
  const { plane, nodes } = stand;
  const pace = forEachAtRate(PER_SECOND);
  const names = Array.from({ length: COUNT }, (_, index) => `steady-${index}`);
  const bare = await runBare(await plane.kubeconfig('admin'), 'bare', names, pace);
  await askAll(stand, 'forget');
  const createdAt = new Map<string, number>();
  await pace([...names.entries()], async ([index, name]) => {
    createdAt.set(name, now());
    const nodeName = nodes[index % nodes.length];
    await createInstance(plane.admin, PATH, name, { image: 'docker.io/library/nginx:1.29', nodeName });
  });
  await untilQuiet(stand);
  const firsts = delays(createdAt, timesIn(await askAll(stand), 'actedAt'));
  const bareFirsts = delays(bare.createdAt, bare.claimedAt);
  const [p50, p99] = [quantileOf(firsts, 0.5), quantileOf(firsts, 0.99)];
  const what = `${PER_SECOND}/s`;
  return [
    figureOf(`${what}: acted upon`, firsts.length, '', { aim: `= ${COUNT}`, met: firsts.length === COUNT }),
    figureOf(`${what}: apply to first action, p50`, p50, 'ms', { aim: '< 100', met: p50 < 100 }),
    figureOf(`${what}: apply to first action, p99`, p99, 'ms', { aim: '< 500', met: p99 < 500 }),
    figureOf('bare client: apply to claim, p50', quantileOf(bareFirsts, 0.5), 'ms'),
    figureOf('bare client: apply to claim, p99', quantileOf(bareFirsts, 0.99), 'ms'),
  ];
}
