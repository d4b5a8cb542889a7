import type { Parser } from '../../api/parser.ts';
import type { Logger } from '../../log.ts';
import type { InstanceKey, VolumeKey } from '../../machine/ids.ts';
import type { ApiServer } from './api-server.ts';
import { openClusterAccess } from './open-cluster-access.ts';
import type { ClusterPlace } from './cluster-access.ts';
import type { HostInstance } from './held-kind.ts';
import { KeptAliveApi } from './kept-alive-api.ts';
import { KubernetesSource } from './kubernetes-source.ts';
import type { ListWatchTiming } from './list-watch.ts';
import { NodeLease } from './node-lease.ts';
import type { NodePresence } from './node-lease.ts';
import type { SecretStore } from './secret-store.ts';
import { WatchedSecrets } from './watched-secrets.ts';

export type KubernetesSourceOptions = {
  readonly cluster: ClusterPlace;
  /** The Node that this agent is on. */
  readonly nodeName: string;
  readonly parser: Parser;
  readonly log: Logger;
  /** What this host has of Instances, declared or not. */
  readonly onHost: () => readonly HostInstance[];
  /** Volumes that this host has a disk of; asked whenever that matters. */
  readonly disksOnHost: () => readonly VolumeKey[];
  /** For metrics: each answer by method and status, 0 where there was none. */
  readonly onAnswer?: (method: string, status: number) => void;
  /** In place of Secrets read from the API server. */
  readonly openSecrets?: (api: ApiServer, onChange: (instance: InstanceKey) => void) => SecretStore;
  /** Absent: the node's Lease is not kept, and a second agent of the same name is not noticed. */
  readonly presence?: NodePresence;
  /** A pass over an Instance ended, or nothing of it is here any more. */
  readonly onPass?: (key: InstanceKey) => void;
  readonly timing?: ListWatchTiming;
  readonly answerMs?: number;
  readonly elsewhereMs?: number;
  readonly headStartMs?: number;
};

/**
 * The Instances of one node in a cluster: see the README beside this. Throws `invalid` when the configuration
 * is no good; a server that cannot be reached is waited for in `start`.
 */
export async function openKubernetesSource(options: KubernetesSourceOptions): Promise<KubernetesSource> {
  const { cluster, parser, onAnswer, answerMs, timing, openSecrets, presence } = options;
  const api = new KeptAliveApi(await openClusterAccess(cluster), {
    ...(onAnswer === undefined ? {} : { onAnswer }),
    ...(answerMs === undefined ? {} : { answerMs }),
  });
  return new KubernetesSource({
    ...options,
    api,
    host: presence?.host,
    ...(presence === undefined ? {} : { lease: new NodeLease({ ...options, ...presence, api }) }),
    openSecrets: (onChange) =>
      openSecrets?.(api, onChange) ??
      new WatchedSecrets({ api, parser, onChange, ...(timing === undefined ? {} : { timing }) }),
  });
}
