import { loadavg } from 'node:os';
import { startControlPlane } from '../support/cluster-control-plane.ts';
import { installCrd, must } from '../support/cluster-stage.ts';
import { makeAccount } from './cluster/account.ts';
import { buildAgent, startAgent } from './cluster/agents.ts';
import { runBare } from './cluster/bare.ts';
import { burst } from './cluster/burst.ts';
import { churn, edits, outage } from './cluster/faults.ts';
import { instancesIn } from './cluster/fleet.ts';
import { emptyMemory, memory, rest } from './cluster/rest.ts';
import { rotate } from './cluster/rotation.ts';
import { steady } from './cluster/steady.ts';
import type { Stand } from './cluster/stand.ts';
import type { BenchResult, Figure } from './figures.ts';

const SIZE = 2_000;
const NODES = ['node-0', 'node-1', 'node-2', 'node-3'];

/**
 * Many Instances over four agents, each a process of its own on a fake hypervisor, and a real control plane: what
 * is measured is ours, the server and the way between. A bare client that only claims and reports, on the same
 * server, says how fast that server is.
 */
export async function benchCluster(say: (text: string) => void, size = SIZE): Promise<BenchResult> {
  const told = (text: string): void => {
    say(`${text} [load ${(loadavg()[0] ?? 0).toFixed(1)}]`);
  };
  const plane = await startControlPlane();
  const agents: Stand['agents'][number][] = [];
  try {
    await installCrd(plane.admin);
    for (const name of ['fleet', 'bare', 'steady', 'rotated'])
      await must(plane.admin, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name } } });
    const kubeconfig = await plane.kubeconfig('admin');
    told(`bare client: ${size} instances`);
    const bare = await runBare(kubeconfig, 'bare', namesFor('bare', size));
    const program = await buildAgent();
    const account = await makeAccount(plane, 'rotated');
    for (const node of NODES) agents.push(await startAgent(program, account, node));
    const names = namesFor('fleet', size);
    const stand: Stand = { plane, agents, names, path: instancesIn('fleet'), nodes: NODES, say: told };
    const aims: Figure[] = [];
    aims.push(...(await emptyMemory(stand)), ...(await burst(stand, bare)));
    for (const phase of [steady, rest, edits, rotate, outage, churn, memory]) {
      told(phase.name);
      aims.push(...(await phase(stand)));
    }
    return { name: 'cluster', aims };
  } finally {
    await Promise.allSettled(agents.map((agent) => agent.end()));
    await plane.close();
  }
}

function namesFor(prefix: string, size: number): readonly string[] {
  return Array.from({ length: size }, (_, index) => `${prefix}-${index}`);
}
