import { messageOf } from '../errors.ts';
import { keyOf } from '../machine/ids.ts';
import type { ReportedInstance } from '../api/reported.ts';
import type { ClusterClient } from '../sources/kubernetes/client/cluster-client.ts';
import { openBell } from './bell.ts';
import { PROGRAM } from './command.ts';
import type { CliContext } from './context.ts';
import { controllerOver } from './controller-client.ts';
import { AT_NODE, logWords } from './commands/at-node.ts';
import { notFound, usageFault } from './faults.ts';
import type { Fleet, LogAsked, Scope } from './fleet.ts';
import { noLog } from './host-log.ts';
import { instanceKeyOf } from './instances.ts';

/**
 * The Instances of a cluster, by its API server. What only a node knows (a guest's console, files and programs,
 * decisions of its proxy) comes from this very program, run in the Pod of that node's agent (`at-node`): no agent
 * has an open port.
 */
export function clusterFleet(context: CliContext, cluster: ClusterClient): Fleet {
  return {
    namespace: cluster.namespace,
    documentsHaveEvents: false,
    list: (scope) => listed(cluster, scope),
    find: (key) => cluster.find(key),
    withEvents: async (instance) => {
      try {
        return { ...instance, events: await cluster.events(instance) };
      } catch (error) {
        context.stderr.write(`warning: its events are not known: ${messageOf(error)}\n`);
        return instance;
      }
    },
    follow: (scope, signal, look) => follow(context, cluster, scope, { signal, look }),
    controllerOf: (instance) => {
      if (instance === undefined) throw usageFault('each node has a controller of its own: name an instance');
      return controllerOver(async () => {
        const { namespace, name } = instance.metadata;
        // It may have moved to another node since.
        const found = await cluster.find(instanceKeyOf(instance));
        if (found === undefined) throw notFound(namespace, name);
        return cluster.runAtAgent(found, [PROGRAM, AT_NODE, 'socket']);
      });
    },
    volumes: () => cluster.volumes(),
    log: (instance, asked, signal) => logOf(cluster, instance, asked, signal),
    warnIfStale: () => Promise.resolve(),
  };
}

async function listed(cluster: ClusterClient, { namespace, name }: Scope): ReturnType<Fleet['list']> {
  if (namespace === undefined || name === undefined)
    return cluster.list(namespace === undefined ? {} : { namespace });
  const found = await cluster.find(keyOf(namespace, name));
  return found === undefined ? [] : [found];
}

async function follow(
  context: CliContext,
  cluster: ClusterClient,
  scope: Scope,
  { signal, look }: { readonly signal: AbortSignal; readonly look: Parameters<Fleet['follow']>[2] },
): Promise<void> {
  // What the server refuses is said at once; the view would try again for ever.
  look(await listed(cluster, scope));
  if (isOver(signal)) return;
  const bell = openBell();
  signal.addEventListener('abort', bell.ring);
  const standing = (now: { readonly is: string; readonly message?: string }): void => {
    if (now.is === 'lost') context.stderr.write(`note: waiting for the API server: ${now.message ?? ''}\n`);
  };
  const view = await cluster.view(scope, { changed: bell.ring, standing }, signal);
  try {
    do {
      look(view.all());
      await bell.rung();
    } while (!isOver(signal));
  } finally {
    signal.removeEventListener('abort', bell.ring);
    view.close();
  }
}

/** Asked anew each time: to the compiler, what an "if" has found stays so. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

async function* logOf(
  cluster: ClusterClient,
  instance: ReportedInstance,
  asked: LogAsked,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { id } = instance.status;
  if (id === undefined) throw noLog();
  const log = await cluster.runAtAgent(instance, [PROGRAM, AT_NODE, 'log', id, ...logWords(asked)]);
  const end = (): void => {
    log.destroy();
  };
  signal.addEventListener('abort', end);
  try {
    for await (const chunk of log) if (Buffer.isBuffer(chunk)) yield chunk;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', end);
  }
}
