import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from '../figures.ts';
import { figureOf, quantileOf } from '../figures.ts';
import { requestsOf } from './agents.ts';
import { editInstance, forEach, isAtRest, listInstances, now, watchFleet } from './fleet.ts';
import { askAll, delays, timesIn } from './stand.ts';
import type { Stand } from './stand.ts';

const EDITS = 200;
const OUTAGE_MS = 60_000;
const CHURN_MS = 45_000;
const RESTART_EVERY_MS = 15_000;
const RECOVERY_MS = 120_000;

/** Edits at the pace of people: what each costs, and how soon it is taken up. */
export async function edits(stand: Stand): Promise<readonly Figure[]> {
  const { plane, path, names } = stand;
  const some = names.slice(0, EDITS);
  const before = requestsOf(await askAll(stand, 'forget'));
  const watch = await watchFleet(plane.admin, path);
  const editedAt = new Map<string, number>();
  for (const name of some) {
    editedAt.set(name, now());
    await editInstance(plane.admin, path, name, { state: 'Stopped' });
    await sleep(25);
  }
  await sleep(5_000);
  const all = await askAll(stand);
  const firsts = delays(editedAt, timesIn(all, 'actedAt'));
  const [p50, p99] = [quantileOf(firsts, 0.5), quantileOf(firsts, 0.99)];
  watch.close();
  const restAt = new Map([...watch.restAt].map(([id, at]) => [id.split(' ')[0] ?? '', at]));
  const each = (requestsOf(all) - before) / some.length;
  const tagged = await tagEdits(stand);
  return [
    figureOf('edit (stop): apply to first action, p50', p50, 'ms', { aim: '< 100', met: p50 < 100 }),
    figureOf('edit (stop): apply to first action, p99', p99, 'ms', { aim: '< 500', met: p99 < 500 }),
    figureOf('edit (stop): apply to status at rest, p99', quantileOf(delays(editedAt, restAt), 0.99), 'ms'),
    figureOf('edit (stop): requests, Events among them', each, ''),
    figureOf('edit (tags): requests', tagged, '', { aim: '<= 1', met: tagged <= 1 }),
  ];
}

async function tagEdits(stand: Stand): Promise<number> {
  const some = stand.names.slice(-EDITS);
  const before = requestsOf(await askAll(stand));
  for (const name of some) await editInstance(stand.plane.admin, stand.path, name, { tags: { at: 'edit' } });
  await sleep(3_000);
  return (requestsOf(await askAll(stand)) - before) / some.length;
}

/** A minute without a server; then edits, right when it is back. */
export async function outage(stand: Stand): Promise<readonly Figure[]> {
  const { plane, path, names, say } = stand;
  await plane.stopApiServer();
  say('the API server is away');
  await sleep(OUTAGE_MS);
  await plane.startApiServer();
  const backAt = now();
  say('the API server is back');
  await forEach(names.slice(0, EDITS), async (name) => {
    await editInstance(plane.admin, path, name, { tags: { at: 'outage' } });
  });
  const lost = await untilAllAtRest(stand);
  const recovered = (now() - backAt) / 1000;
  return [
    figureOf('60 s of outage: server ready to every edit at rest', recovered, 's'),
    figureOf('60 s of outage: edits lost', lost, '', { aim: '= 0', met: lost === 0 }),
  ];
}

/** Edits without a pause, while the server is killed and started again. */
export async function churn(stand: Stand): Promise<readonly Figure[]> {
  const { plane, path, names, say } = stand;
  const end = now() + CHURN_MS;
  let made = 0;
  let restarts = 0;
  const restarting = (async () => {
    while (now() + RESTART_EVERY_MS < end) {
      await sleep(RESTART_EVERY_MS);
      await plane.stopApiServer();
      await plane.startApiServer();
      restarts += 1;
    }
  })();
  await forEach(
    Array.from({ length: 8 }, (_, writer) => writer),
    async (writer) => {
      for (let at = writer; now() < end; at += 8) {
        const name = names[at % names.length] ?? '';
        await editInstance(plane.admin, path, name, { tags: { at: `churn ${at}` } });
        made += 1;
      }
    },
  );
  await restarting;
  say(`${made} edits, ${restarts} restarts of the API server`);
  const endedAt = now();
  const lost = await untilAllAtRest(stand);
  return [
    figureOf('churn: edits while the server was restarted', made, ''),
    figureOf('churn: restarts of the server', restarts, ''),
    figureOf('churn: last edit to all at rest', (now() - endedAt) / 1000, 's'),
    figureOf('churn: edits lost', lost, '', { aim: '= 0', met: lost === 0 }),
  ];
}

/** How many are not at rest in their last generation when patience ends. */
async function untilAllAtRest({ plane, path }: Stand): Promise<number> {
  const end = now() + RECOVERY_MS;
  for (;;) {
    const moving = (await listInstances(plane.admin, path)).filter((one) => !isAtRest(one)).length;
    if (moving === 0 || now() > end) return moving;
    await sleep(250);
  }
}
