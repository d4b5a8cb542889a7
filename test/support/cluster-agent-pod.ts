import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { listOf, textAt, valueAt } from '../../src/api/raw.ts';
import { runCommand } from '../../src/host/exec.ts';
import type { CommandResult } from '../../src/host/exec.ts';
import { makeAgentImage } from './agent-image.ts';
import type { ControlPlane } from './cluster-control-plane.ts';
import type { ClusterNode } from './cluster-node.ts';
import { eventually } from './cluster-stage.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const KUBECTL = `${ROOT}.cache/control-plane/bin/kubectl`;
export const AGENT_NAMESPACE = 'hypeman-system';
const READY_MS = 120_000;

/** The agent that the manifests bring to a node, and the commands of whoever uses it. */
export type AgentOnNode = {
  /** The uid of the Pod that is Ready now; waits for one that is not `before`. */
  readyPod(before?: string): Promise<string>;
  /** kubectl with the plugin on its PATH, and every right. */
  kubectl(...words: readonly string[]): Promise<CommandResult>;
  log(): Promise<string>;
};

/**
 * Applies `manifests/overlays/development`. One thing differs from what a user applies: state and sockets lie in the
 * node's directory, not in this machine's /var/lib and /run.
 */
export async function installAgent(plane: ControlPlane, node: ClusterNode): Promise<AgentOnNode> {
  const layout = `${node.directory}/agent-image`;
  await makeAgentImage(layout);
  await node.importImage(layout, 'docker.io/library/hypeman-controller');
  const overlay = `${node.directory}/overlay`;
  await mkdir(overlay);
  await mkdir(`${node.directory}/state`, { mode: 0o711 });
  await writeFile(`${overlay}/kustomization.yaml`, kustomization(overlay, node.directory));
  // 1.20 does not know the rules of the CRD.
  await plane.kubectl('1.32', 'apply', '--validate=false', '-k', overlay);
  const env = { KUBECONFIG: await plane.kubeconfig('admin'), HOME: node.directory, PATH: await plugin(node) };
  const kubectl = (...words: readonly string[]): Promise<CommandResult> =>
    runCommand(KUBECTL, words, { env, timeoutMs: READY_MS });
  const log = async (): Promise<string> => {
    const { stdout, stderr } = await kubectl(
      ...['-n', AGENT_NAMESPACE, 'logs', '-l', 'app.kubernetes.io/name=hypeman-agent', '--tail=-1'],
    );
    return `${stdout}${stderr}`;
  };
  return {
    kubectl,
    readyPod: async (before) => {
      let uid: string | undefined;
      await eventually(async () => {
        uid = await readyPodOf(plane, before);
        return uid !== undefined;
      }, READY_MS).catch(async () => {
        throw new Error(`no agent is ready: ${await log()}`);
      });
      return uid ?? '';
    },
    log,
  };
}

function kustomization(overlay: string, directory: string): string {
  const hostPath = (name: string, path: string): object => ({
    name,
    hostPath: { path, type: 'DirectoryOrCreate' },
  });
  const volumes = [hostPath('state', `${directory}/state`), hostPath('run', `${directory}/run`)];
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'hypeman-agent', namespace: AGENT_NAMESPACE },
    spec: { template: { spec: { volumes } } },
  };
  const resources = [relative(overlay, `${ROOT}manifests/overlays/development`)];
  return JSON.stringify({ kind: 'Kustomization', resources, patches: [{ patch: JSON.stringify(patch) }] });
}

/** As npm installs it: a link, whose name is the name under which the program was called. */
async function plugin({ directory }: ClusterNode): Promise<string> {
  await mkdir(`${directory}/bin/link`, { recursive: true });
  const link = `${directory}/bin/link/kubectl-hypeman`;
  await symlink(`${ROOT}src/main.ts`, link);
  await writeFile(`${directory}/bin/kubectl-hypeman`, `#!/bin/sh\nexec ${process.execPath} ${link} "$@"\n`, {
    mode: 0o755,
  });
  return `${directory}/bin:/usr/local/bin:/usr/bin:/bin`;
}

async function readyPodOf(plane: ControlPlane, before: string | undefined): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${AGENT_NAMESPACE}/pods`;
  const pods = listOf((await plane.admin.ask({ method: 'GET', path })).body.items);
  return pods
    .filter(isReady)
    .map((pod) => textAt(pod, ['metadata', 'uid']))
    .find((uid) => uid !== before);
}

function isReady(pod: unknown): boolean {
  if (valueAt(pod, ['metadata', 'deletionTimestamp']) !== undefined) return false;
  return listOf(valueAt(pod, ['status', 'conditions'])).some(
    (one) => textAt(one, ['type']) === 'Ready' && textAt(one, ['status']) === 'True',
  );
}
