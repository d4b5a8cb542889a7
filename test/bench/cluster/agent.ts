import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { openLog } from '../../../src/log.ts';
import { openFakeNode, startFakeAgent } from '../../support/cluster-agent.ts';
import type { FakeNode } from '../../support/cluster-agent.ts';
import { fakeEgress } from '../../support/fake-workshops.ts';
import type { AgentFigures } from './agents.ts';

// As main.ts does: what is judged is the published program's memory.
setFlagsFromString('--max-semi-space-size=4');
setFlagsFromString('--semi-space-growth-factor=1');

/** A process that is the agent of one node, as in a Pod: `node agent.ts ACCOUNT NODE`. Asked over IPC for its figures. */
const [account = '', nodeName = ''] = process.argv.slice(2);
const actedAt = new Map<string, number>();
const rotatedAt = new Map<string, number>();
const now = (): number => performance.timeOrigin + performance.now();

// Guests are given a certificate to trust: any will do.
const authority = await readFile(`${account}/ca.crt`, 'utf8');
const node = timed(await openFakeNode());
const agent = await startFakeAgent({ kubeconfig: () => Promise.resolve('') }, node, {
  nodeName,
  cluster: { is: 'in-cluster', directory: account },
  log: openLog('silent'),
});
let mostRss = 0;
const sampling = setInterval(() => {
  mostRss = Math.max(mostRss, process.memoryUsage.rss());
}, 250);

process.on('message', (word) => {
  if (word === 'end') void end();
  else process.send?.(figures());
  if (word === 'forget') for (const times of [actedAt, rotatedAt]) times.clear();
});
process.once('disconnect', () => void end());
process.send?.('ready');

function figures(): AgentFigures {
  const { user, system } = process.cpuUsage();
  return {
    answers: Object.fromEntries(agent.answers),
    actedAt: Object.fromEntries(actedAt),
    rotatedAt: Object.fromEntries(rotatedAt),
    rss: process.memoryUsage.rss(),
    mostRss,
    cpuSeconds: (user + system) / 1e6,
  };
}

/** Notes when something is first done for an instance, and when the proxy last had a new value of one. */
function timed(opened: FakeNode): FakeNode {
  const { storage } = opened.workshops;
  const egress = { ...opened.workshops.egress, ...fakeEgress(authority) };
  const writeRecord: typeof storage.writeRecord = (record) => {
    if (!actedAt.has(record.key)) actedAt.set(record.key, now());
    return storage.writeRecord(record);
  };
  const put: typeof egress.put = (policy, revision) => {
    rotatedAt.set(policy.key, now());
    return egress.put(policy, revision);
  };
  const workshops = {
    ...opened.workshops,
    storage: { ...storage, writeRecord },
    egress: { ...egress, put },
  };
  return { ...opened, workshops };
}

async function end(): Promise<void> {
  process.removeAllListeners('disconnect');
  clearInterval(sampling);
  await agent.close();
  await node.close();
  process.disconnect();
}
