import { resolve } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { PLUGIN, placesOf } from './command.ts';
import type { CliContext } from './context.ts';
import { usageFault } from './faults.ts';
import type { Fleet } from './fleet.ts';
import { hostFleet } from './host-fleet.ts';

/** Absent: the namespace of the fleet. */
export type NamespaceFlag = { readonly namespace?: string };

type FleetFlags = {
  readonly kubernetes?: true;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly agentNamespace?: string;
};

/** Where `manifests/` put the agents. */
const AGENT_NAMESPACE = 'hypeman-system';

/** Which instances a command speaks of. */
export function addFleetOptions(command: Command): void {
  command
    .option(
      '-n, --namespace <namespace>',
      'the namespace of the instance (default: "default"; in a cluster, that of the kubeconfig)',
    )
    .option('--kubernetes', "speak of a cluster's instances, as --kubeconfig and --context do")
    .option('--kubeconfig <file>', "in place of kubectl's own: KUBECONFIG, ~/.kube/config")
    .option('--context <name>', 'a context of the kubeconfig; default is its current one');
}

/** For a command that asks the agent of a node. */
export function addAgentOption(command: Command): void {
  command.addOption(
    new Option('--agent-namespace <namespace>', 'where in the cluster the agents are').default(
      AGENT_NAMESPACE,
    ),
  );
}

/**
 * The rule: this host's controller, unless --kubernetes, --kubeconfig or --context say that a cluster is meant, as
 * the name of the kubectl plugin always does. The environment alone never turns a command to a cluster.
 */
export async function openFleet(context: CliContext, command: Command): Promise<Fleet> {
  const flags = command.optsWithGlobals<FleetFlags>();
  const { kubernetes, kubeconfig, context: name, agentNamespace = AGENT_NAMESPACE } = flags;
  const isNamed = kubernetes === true || kubeconfig !== undefined || name !== undefined;
  if (!isNamed && context.calledAs !== PLUGIN) return hostFleet(context, placesOf(command));
  for (const option of ['stateDir', 'runDir'])
    if (command.getOptionValueSourceWithGlobals(option) === 'cli')
      throw usageFault('--state-dir and --run-dir belong to the controller of this host, not to a cluster');
  // The Kubernetes client takes a third of a second to load: only who asks a cluster waits for it.
  const [{ openClusterClient }, { clusterFleet }] = await Promise.all([
    import('../sources/kubernetes/client/cluster-client.ts'),
    import('./cluster-fleet.ts'),
  ]);
  const choice = {
    env: context.env,
    agentNamespace,
    ...(kubeconfig === undefined ? {} : { path: resolve(kubeconfig) }),
    ...(name === undefined ? {} : { context: name }),
  };
  return clusterFleet(context, openClusterClient(choice));
}
