import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openParser } from '../api/parser.ts';
import { openLog } from '../log.ts';
import type { LogLevel } from '../log.ts';
import { openHttp } from '../serve/http.ts';
import { openMetrics } from '../serve/metrics.ts';
import type { Metrics } from '../serve/metrics.ts';
import { readCrd, readVolumeCrd } from '../sources/crd.ts';
import { openClusterAccess } from '../sources/kubernetes/open-cluster-access.ts';
import type { ClusterPlace } from '../sources/kubernetes/cluster-access.ts';
import { KeptAliveApi } from '../sources/kubernetes/kept-alive-api.ts';
import { openPlacement, placeholderImage } from '../sources/kubernetes/placement/open-placement.ts';
import type { CliContext } from './context.ts';
import type { RunOptions } from './run-options.ts';

export type PlacementSettings = {
  readonly cluster: ClusterPlace;
  readonly namespace: string;
  readonly podName: string;
  readonly placeholderImage?: string;
  readonly cpuPercent: number;
  readonly listen: RunOptions['listen'];
  readonly logLevel: LogLevel;
};

/** Runs placement until the signal. Nothing that runs is disturbed by its end. */
export async function runPlacement(
  { version, signal }: CliContext,
  { cluster, namespace, podName, cpuPercent, listen, logLevel, ...given }: PlacementSettings,
): Promise<void> {
  const log = openLog(logLevel);
  const metrics = openMetrics(version);
  const api = new KeptAliveApi(await openClusterAccess(cluster), {
    onAnswer: (method, status) => {
      metrics.answered(method, status);
    },
  });
  const image = given.placeholderImage ?? (await placeholderImage(api, { namespace, name: podName, signal }));
  await using stack = new AsyncDisposableStack();
  const placement = openPlacement(api, {
    namespace,
    // A Pod keeps its name when its container starts again; a term does not go on over that.
    identity: `${podName}_${randomUUID()}`,
    settings: { image, cpuPercent },
    parser: openParser(await readCrd(), { volumes: await readVolumeCrd() }),
    log,
  });
  stack.defer(() => placement.close());
  metrics.placementIs(() => placement.figures());
  const state = { isStarted: false };
  const http = await openDoor(listen, metrics, state);
  stack.defer(() => http?.close());
  const isStarted = await Promise.race([placement.start().then(() => true), aborted(signal)]);
  if (!isStarted) return;
  state.isStarted = true;
  log.info({ version, image }, 'placement started');
  await aborted(signal);
}

async function openDoor(
  listen: RunOptions['listen'],
  metrics: Metrics,
  state: { readonly isStarted: boolean },
): Promise<Awaited<ReturnType<typeof openHttp>> | undefined> {
  if (listen === 'off') return undefined;
  return openHttp({
    ...listen,
    flag: '--listen',
    metrics,
    problems: {
      health: () => undefined,
      readiness: () => (state.isStarted ? undefined : 'the cluster is being read'),
    },
  });
}

async function aborted(signal: AbortSignal): Promise<false> {
  if (!signal.aborted) await once(signal, 'abort');
  return false;
}
