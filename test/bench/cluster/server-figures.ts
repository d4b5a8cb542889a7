import type { ControlPlane } from '../../support/cluster-control-plane.ts';

/** What the API server counts itself: requests by what was asked for, and what its watches carried. */
export type ServerFigures = {
  /** `PATCH instances/status` and the like, of Instances and Events. */
  readonly requests: Readonly<Record<string, number>>;
  readonly watchEvents: number;
  readonly watchBytes: number;
};

export async function serverFigures(plane: ControlPlane): Promise<ServerFigures> {
  const lines = (await plane.kubectl('1.32', 'get', '--raw', '/metrics')).split('\n');
  const requests: Record<string, number> = {};
  for (const line of lines.filter((one) => one.startsWith('apiserver_request_total{'))) {
    const labels = labelsOf(line);
    if (!['instances', 'events'].includes(labels.resource ?? '') || labels.verb === 'WATCH') continue;
    const subresource = labels.subresource === '' ? '' : `/${labels.subresource ?? ''}`;
    const name = `${labels.verb ?? ''} ${labels.resource ?? ''}${subresource}`;
    requests[name] = (requests[name] ?? 0) + valueOf(line);
  }
  const ofInstances = (name: string): number =>
    lines
      .filter((line) => line.startsWith(`${name}{`) && labelsOf(line).kind === 'Instance')
      .reduce((sum, line) => sum + valueOf(line), 0);
  return {
    requests,
    watchEvents: ofInstances('apiserver_watch_events_total'),
    watchBytes: ofInstances('apiserver_watch_events_sizes_sum'),
  };
}

function labelsOf(line: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
  );
}

function valueOf(line: string): number {
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

/** What was asked between two looks. */
export function since(before: ServerFigures, after: ServerFigures): ServerFigures {
  const grown = Object.entries(after.requests).map(
    ([name, count]) => [name, count - (before.requests[name] ?? 0)] as const,
  );
  return {
    requests: Object.fromEntries(grown.filter(([, count]) => count > 0)),
    watchEvents: after.watchEvents - before.watchEvents,
    watchBytes: after.watchBytes - before.watchBytes,
  };
}
