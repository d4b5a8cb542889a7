import { listOf, textAt, valueAt } from '../../../api/raw.ts';
import { HypemanError } from '../../../errors.ts';
import { isSuccess } from '../api-server.ts';
import type { ApiServer } from '../api-server.ts';
import { refusalOf } from './refusals.ts';

/** The Pod of a node's agent, as the DaemonSet in `manifests/base/agent.yaml` makes them. */
export type AgentPod = { readonly namespace: string; readonly name: string; readonly container: string };

const AGENT_LABEL = 'app.kubernetes.io/name=hypeman-agent';
const AGENT_CONTAINER = 'agent';

/** The running one. Throws `NoAgent`, or what the server refused. */
export async function findAgentPod(api: ApiServer, namespace: string, node: string): Promise<AgentPod> {
  const query = new URLSearchParams({ labelSelector: AGENT_LABEL, fieldSelector: `spec.nodeName=${node}` });
  const answer = await api.ask({
    method: 'GET',
    path: `/api/v1/namespaces/${namespace}/pods?${query.toString()}`,
  });
  if (!isSuccess(answer)) throw refusalOf(answer, `list the Pods of ${namespace}`);
  const pods = listOf(answer.body.items);
  // While an agent is replaced there are two: the one that goes, and the one that comes.
  const pod = pods.find((one) => isRunning(one) && isReady(one)) ?? pods.find(isRunning);
  const name = textAt(pod, ['metadata', 'name']);
  if (name === undefined) throw noAgent(namespace, node, pods);
  return { namespace, name, container: AGENT_CONTAINER };
}

function isRunning(pod: unknown): boolean {
  return (
    textAt(pod, ['status', 'phase']) === 'Running' &&
    valueAt(pod, ['metadata', 'deletionTimestamp']) === undefined
  );
}

function isReady(pod: unknown): boolean {
  return listOf(valueAt(pod, ['status', 'conditions'])).some(
    (condition) => textAt(condition, ['type']) === 'Ready' && textAt(condition, ['status']) === 'True',
  );
}

function noAgent(namespace: string, node: string, pods: readonly unknown[]): HypemanError {
  const [pod] = pods;
  const seen =
    pod === undefined
      ? `no agent runs on node "${node}"`
      : `the agent ${textAt(pod, ['metadata', 'name']) ?? ''} on node "${node}" does not run (${textAt(pod, ['status', 'phase']) ?? 'Unknown'})`;
  return new HypemanError(
    'transient',
    'NoAgent',
    `${seen}: see kubectl -n ${namespace} get pods -l ${AGENT_LABEL} -o wide, or name its namespace with --agent-namespace`,
  );
}
