import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { figureOf, quantileOf } from '../figures.ts';
import { cpuSecondsOf, requestsOf } from './agents.ts';
import type { Bare } from './bare.ts';
import { createInstance, forEach, listInstances, isAtRest, now, watchFleet } from './fleet.ts';
import { serverFigures, since } from './server-figures.ts';
import { askAll, delays, timesIn, untilQuiet } from './stand.ts';
import type { Stand } from './stand.ts';

const DEADLINE_MS = 300_000;
const KIB = 1024;

/** As fast as the server takes them, 32 at once, until each is seen at rest; against the bare client. */
export async function burst(stand: Stand, bare: Bare): Promise<readonly Figure[]> {
  const { plane, names, path, nodes, say } = stand;
  const atFirst = await askAll(stand, 'forget');
  const before = {
    server: await serverFigures(plane),
    ours: requestsOf(atFirst),
    cpuSeconds: cpuSecondsOf(atFirst),
  };
  const watch = await watchFleet(plane.admin, path);
  const createdAt = new Map<string, number>();
  await forEach([...names.entries()], async ([index, name]) => {
    createdAt.set(name, now());
    const nodeName = nodes[index % nodes.length];
    await createInstance(plane.admin, path, name, { image: 'docker.io/library/nginx:1.29', nodeName });
  });
  say(`${names.length} created in ${((now() - Math.min(...createdAt.values())) / 1000).toFixed(1)} s`);
  const end = now() + DEADLINE_MS;
  while (watch.restAt.size < names.length && now() < end) await sleep(50);
  const restAt = new Map([...watch.restAt].map(([id, at]) => [id.split(' ')[0] ?? '', at]));
  watch.close();
  const asked = (await untilQuiet(stand)) - before.ours;
  const all = await askAll(stand);
  const server = since(before.server, await serverFigures(plane));
  say(`asked of the server: ${JSON.stringify(server.requests)}`);
  const atRest = (await listInstances(plane.admin, path)).filter(isAtRest).length;
  const size = names.length;
  const each = asked / size;
  const toRest = spanOf(createdAt, restAt);
  const firsts = delays(createdAt, timesIn(all, 'actedAt'));
  const [p50, p99] = [quantileOf(firsts, 0.5), quantileOf(firsts, 0.99)];
  const bareFirsts = delays(bare.createdAt, bare.claimedAt);
  const bareSpan = spanOf(bare.createdAt, bare.restAt);
  return [
    figureOf('burst: at rest', atRest, 'instances', { aim: `= ${size}`, met: atRest === size }),
    figureOf('burst: first apply to last status at rest', toRest, 's'),
    figureOf('bare client: the same', bareSpan, 's'),
    figureOf('ratio of both', toRest / bareSpan, 'x'),
    figureOf('burst: apply to status at rest, p50', quantileOf(delays(createdAt, restAt), 0.5), 'ms'),
    figureOf('bare client: the same, p50', quantileOf(delays(bare.createdAt, bare.restAt), 0.5), 'ms'),
    figureOf('burst: requests per instance', each, '', { aim: '<= 6', met: each <= 6 }),
    figureOf('bare client: the same', 2, ''),
    figureOf(
      'burst: CPU of the agents per instance',
      ((cpuSecondsOf(all) - before.cpuSeconds) * 1000) / size,
      'ms',
    ),
    figureOf('burst: apply to first action, p50', p50, 'ms', { aim: '< 100', met: p50 < 100 }),
    figureOf('burst: apply to first action, p99', p99, 'ms', { aim: '< 500', met: p99 < 500 }),
    figureOf('bare client: apply to claim, p50', quantileOf(bareFirsts, 0.5), 'ms'),
    figureOf('bare client: apply to claim, p99', quantileOf(bareFirsts, 0.99), 'ms'),
    figureOf('burst: watch events per instance, all watchers', server.watchEvents / size, ''),
    figureOf('burst: watch traffic per instance, all watchers', server.watchBytes / size / KIB, 'KiB'),
  ];
}

/** Seconds from the first to the last. */
function spanOf(from: ReadonlyMap<string, number>, to: ReadonlyMap<string, number>): number {
  return (Math.max(...to.values()) - Math.min(...from.values())) / 1000;
}
