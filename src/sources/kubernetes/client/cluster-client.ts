import type { Duplex } from 'node:stream';
import type { CountedEvent, ReportedInstance } from '../../../api/reported.ts';
import type { ReportedVolume } from '../../../api/reported-volume.ts';
import { HypemanError } from '../../../errors.ts';
import type { InstanceKey } from '../../../machine/ids.ts';
import { KeptAliveApi } from '../kept-alive-api.ts';
import { findAgentPod } from './agent-pod.ts';
import { readEvents } from './instance-events.ts';
import { openInstanceView } from './instance-view.ts';
import type { InstanceView, ViewHeard } from './instance-view.ts';
import { listInstances, readInstance } from './instances.ts';
import type { Scope } from './instances.ts';
import { accessOf } from './kubeconfig-access.ts';
import { loadKubeconfig } from './kubeconfig.ts';
import type { KubeconfigChoice } from './kubeconfig.ts';
import { openPodCommand } from './pod-command.ts';
import { listVolumes } from './volumes.ts';

/** A cluster as a command line asks it, with the rights of whoever calls it. */
export type ClusterClient = {
  /** The one that the kubeconfig's context names. */
  readonly namespace: string;
  /** Undefined: there is none. */
  find(key: InstanceKey): Promise<ReportedInstance | undefined>;
  list(scope: Pick<Scope, 'namespace'>): Promise<readonly ReportedInstance[]>;
  /** Of every namespace. */
  volumes(): Promise<readonly ReportedVolume[]>;
  events(instance: ReportedInstance): Promise<readonly CountedEvent[]>;
  view(scope: Scope, heard: ViewHeard, signal: AbortSignal): Promise<InstanceView>;
  /** Runs a command in the Pod of the agent that has the instance. See `openPodCommand`. */
  runAtAgent(instance: ReportedInstance, argv: readonly string[]): Promise<Duplex>;
};

export type ClusterChoice = KubeconfigChoice & {
  /** Where the agents are. */
  readonly agentNamespace: string;
};

/** Throws `invalid` for a kubeconfig that cannot be used; speaks to the server only when asked something. */
export function openClusterClient(choice: ClusterChoice): ClusterClient {
  const config = loadKubeconfig(choice);
  const access = accessOf(config);
  const api = new KeptAliveApi(access);
  const asked = { api, server: access.server };
  return {
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    find: (key) => readInstance(asked, key),
    list: (scope) => listInstances(asked, scope),
    volumes: () => listVolumes(asked),
    events: (instance) => readEvents(api, instance),
    view: (scope, heard, signal) => openInstanceView(api, scope, heard, signal),
    runAtAgent: async (instance, argv) => {
      const pod = await findAgentPod(api, choice.agentNamespace, nodeOf(instance));
      return openPodCommand({ api, config }, pod, argv);
    },
  };
}

function nodeOf({ metadata, status }: ReportedInstance): string {
  if (status.nodeName !== undefined) return status.nodeName;
  throw new HypemanError(
    'transient',
    'NoNode',
    `instance "${metadata.name}" is on no node yet: describe ${metadata.name} tells why`,
  );
}
