import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { textAt } from '../../src/api/raw.ts';
import { argumentsOf } from '../../src/host/processes.ts';
import { openBootWitness } from './boot-witness.ts';
import type { BootWitness } from './boot-witness.ts';
import { installAgent } from './cluster-agent-pod.ts';
import type { AgentOnNode } from './cluster-agent-pod.ts';
import { startControlPlane } from './cluster-control-plane.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { startClusterNode } from './cluster-node.ts';
import type { ClusterNode } from './cluster-node.ts';
import { makeYard } from './cluster-stage.ts';
import type { Yard } from './cluster-stage.ts';
import { makeDemoImage } from './demo-image.ts';

/** A control plane, one real node with its agent, and a namespace for Instances. */
export type NodeStage = {
  readonly plane: ControlPlane;
  readonly node: ClusterNode;
  readonly agent: AgentOnNode;
  readonly yard: Yard;
  readonly witness: BootWitness;
  /** Of an Instance that is small and mediated, and tells the witness of itself by this name. */
  spec(name: string): Readonly<Record<string, unknown>>;
  /** In the yard's namespace; what it said. Throws with its complaint. */
  kubectl(...words: readonly string[]): Promise<string>;
  /** `kubectl hypeman VERB`. */
  plugin(verb: string, ...words: readonly string[]): ReturnType<AgentOnNode['kubectl']>;
  idOf(name: string): Promise<string>;
  /** The pid of its machine. */
  vmmOf(name: string): Promise<number | undefined>;
  /** The pid of the egress proxy. */
  proxy(): Promise<number | undefined>;
  close(): Promise<void>;
};

export async function openNodeStage(): Promise<NodeStage> {
  await using opened = new AsyncDisposableStack();
  const plane = await startControlPlane({ schedules: true });
  opened.defer(() => plane.close());
  const node = await startClusterNode(plane);
  opened.defer(() => node.close());
  const witness = await openBootWitness(node.network.outside);
  opened.defer(() => witness.close());
  const agent = await installAgent(plane, node);
  await makeDemoImage(`${node.directory}/state/demo`);
  const yard = await makeYard(plane.admin);
  const processLike = async (pattern: RegExp): Promise<number | undefined> => {
    for (const pid of await node.network.pids())
      if (pattern.test((await argumentsOf(pid)).join(' '))) return pid;
    return undefined;
  };
  const idOf = async (name: string): Promise<string> =>
    textAt((await yard.read(name)).body, ['status', 'id']) ?? 'none';
  const kept = opened.move();
  return {
    ...{ plane, node, agent, yard, witness, idOf },
    spec: (name) => ({
      // As the agent's container sees it.
      image: 'oci:/var/lib/hypeman/demo:latest',
      ...{ size: '128MB', vcpus: 1 },
      entrypoint: ['/bin/sh', '-c', witness.program(name)],
      network: { egress: { enabled: true } },
    }),
    kubectl: async (...words) => {
      const { exitCode, stdout, stderr } = await agent.kubectl('-n', yard.namespace, ...words);
      if (exitCode !== 0) throw new Error(`kubectl ${words.join(' ')}: ${stderr}`);
      return stdout;
    },
    plugin: (verb, ...words) => agent.kubectl('hypeman', verb, '-n', yard.namespace, ...words),
    vmmOf: async (name) => {
      const id = await idOf(name);
      return processLike(new RegExp(`^qemu-system.* guest=${id},`));
    },
    proxy: () => processLike(/^hypeman-egress /),
    close: () => kept.disposeAsync(),
  };
}

/** Whether the API server on this port of loopback takes a token for nobody's. */
export async function isRefused(port: number, token: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const asked = request({ host: '127.0.0.1', port, path: '/api', headers, rejectUnauthorized: false }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode === 401;
}
