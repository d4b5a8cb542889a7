import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { CliContext } from '../../src/cli/context.ts';
import { openLog } from '../../src/log.ts';
import { instanceId } from '../../src/machine/ids.ts';
import { openControlSocket } from '../../src/serve/control-socket.ts';
import type { ApiServer } from '../../src/sources/kubernetes/api-server.ts';
import { cli } from './cli-run.ts';
import type { CliResult } from './cli-run.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import { startScriptedKubelet } from './cluster-kubelet.ts';
import type { ExecProtocol, ScriptedKubelet } from './cluster-kubelet.ts';
import { must } from './cluster-stage.ts';
import { fakeEgress } from './fake-workshops.ts';
import { scriptedGuest } from './scripted-guest.ts';
import type { Program, ScriptedGuest } from './scripted-guest.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;
const AGENTS = 'hypeman-system';

/** A node whose agent is a control socket over a scripted guest, behind a scripted kubelet and a real API server. */
export type CliNode = {
  readonly name: string;
  readonly guest: ScriptedGuest;
  readonly kubelet: ScriptedKubelet;
  /** The agent's state directory. */
  readonly directory: string;
  /** Its Pod runs on. */
  stopAgent(): Promise<void>;
  /** From the agent's image. */
  removeProgram(): void;
  close(): Promise<void>;
};

export async function openCliNode(
  { admin, directory: certificates }: ControlPlane,
  name: string,
  protocol: ExecProtocol,
  programs: Readonly<Record<string, Program>>,
): Promise<CliNode> {
  const directory = await mkdtemp(`${tmpdir()}/hm-cli-node-`);
  const guest = scriptedGuest(programs);
  const socket = await openControlSocket({
    path: `${directory}/controller.sock`,
    links: guest.links,
    egress: fakeEgress(),
    resolve: (key) => (key.endsWith('/web') ? { id: instanceId('idweb'), agent: true } : undefined),
    processOf: () => Promise.resolve(undefined),
    log: openLog('silent'),
    version: '1.2.3',
  });
  const env = { ...process.env, HYPEMAN_STATE_DIR: directory, HYPEMAN_RUN_DIR: directory };
  let isInstalled = true;
  let isStopped = false;
  const stopAgent = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await socket.close();
  };
  const kubelet = await startScriptedKubelet({
    directory: certificates,
    protocol,
    start: ([program, ...words]) =>
      isInstalled && program === 'hypeman-controller'
        ? spawn(process.execPath, [MAIN, ...words], { env })
        : undefined,
  });
  await mkdir(`${directory}/instances/idweb`, { recursive: true });
  await makeNode(admin, name, kubelet.port);
  await makeAgentPod(admin, name);
  return {
    ...{ name, guest, kubelet, directory, stopAgent },
    removeProgram: () => {
      isInstalled = false;
    },
    close: async () => {
      await kubelet.close();
      await stopAgent();
      await rm(directory, { recursive: true });
    },
  };
}

async function makeNode(admin: ApiServer, name: string, port: number): Promise<void> {
  await must(admin, { method: 'POST', path: '/api/v1/nodes', body: { metadata: { name } } });
  const status = {
    addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  await patchStatus(admin, `/api/v1/nodes/${name}`, status);
}

async function makeAgentPod(admin: ApiServer, node: string): Promise<void> {
  const pods = `/api/v1/namespaces/${AGENTS}/pods`;
  const metadata = { name: `agent-${node}`, labels: { 'app.kubernetes.io/name': 'hypeman-agent' } };
  const spec = {
    nodeName: node,
    automountServiceAccountToken: false,
    containers: [{ name: 'agent', image: 'a' }],
  };
  await must(admin, { method: 'POST', path: pods, body: { metadata, spec } });
  await patchStatus(admin, `${pods}/agent-${node}`, { phase: 'Running' });
}

export async function patchStatus(admin: ApiServer, path: string, status: unknown): Promise<void> {
  const patch = 'application/merge-patch+json';
  await must(admin, { method: 'PATCH', path: `${path}/status`, patch, body: { status } });
}

/** Where agents are, with the service account that admission asks for. */
export async function makeAgentNamespace(admin: ApiServer): Promise<void> {
  await must(admin, { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: AGENTS } } });
  const path = `/api/v1/namespaces/${AGENTS}/serviceaccounts`;
  await admin.ask({ method: 'POST', path, body: { metadata: { name: 'default' } } });
}

/** Gives a user rights in one namespace. */
export async function allow(
  admin: ApiServer,
  namespace: string,
  user: string,
  rules: readonly unknown[],
): Promise<void> {
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
  const metadata = { name: `cli-${user}` };
  await must(admin, { method: 'POST', path: `${path}/roles`, body: { metadata, rules } });
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name };
  const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }];
  await must(admin, { method: 'POST', path: `${path}/rolebindings`, body: { metadata, roleRef, subjects } });
}

/** A command line with the true time. */
export function clusterCli(words: readonly string[], more: Partial<CliContext> = {}): Promise<CliResult> {
  return cli(words, { now: Date.now, ...more });
}
