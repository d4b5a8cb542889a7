import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openFakeNode, startFakeAgent } from '../../support/cluster-agent.ts';
import type { FakeNode } from '../../support/cluster-agent.ts';
import { fakeEgress } from '../../support/fake-workshops.ts';
import type { AgentFigures } from './agents.ts';

/** A process that is the agent of one node: `node agent.ts KUBECONFIG NODE`. Asked over IPC for its figures. */
const [kubeconfig = '', nodeName = ''] = process.argv.slice(2);
const actedAt = new Map<string, number>();
const rotatedAt = new Map<string, number>();
const now = (): number => performance.timeOrigin + performance.now();

// Guests are given a certificate to trust: any will do.
const authority = await readFile(`${dirname(kubeconfig)}/ca.crt`, 'utf8');
const node = timed(await openFakeNode());
const agent = await startFakeAgent({ kubeconfig: () => Promise.resolve(kubeconfig) }, node, { nodeName });
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
