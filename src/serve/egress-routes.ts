import type { ServerResponse } from 'node:http';
import type { Egress } from '../egress/egress.ts';
import { HypemanError } from '../errors.ts';
import { drained } from './drained.ts';

/** What may be asked of the egress proxy from outside: names, hosts and figures, never a value. */
export type AuditedEgress = Pick<Egress, 'decisions' | 'counters' | 'problem'>;

type Ask = { readonly instance?: string; readonly follow: boolean };

/**
 * 200 and one line of JSON for each `Followed`, until the client goes or, without `follow`, nothing is left.
 * A slow client holds up nobody: what it does not take in time is counted as missed. Throws transient
 * `ProxyUnavailable`.
 */
export async function sendDecisions(
  egress: AuditedEgress,
  ask: Ask,
  response: ServerResponse,
): Promise<void> {
  refuseWithoutProxy(egress);
  const over = new AbortController();
  response.once('close', () => {
    over.abort();
  });
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  // A client that follows knows by the head that it is heard, long before anything is decided.
  response.flushHeaders();
  for await (const followed of egress.decisions({ ...ask, signal: over.signal }))
    if (!response.write(`${JSON.stringify(followed)}\n`)) await drained(response, over.signal);
  response.end();
}

/** 200 with the counters of one instance in a list, or with an empty one when nothing was decided about it. */
export async function sendCounters(
  egress: AuditedEgress,
  instance: string,
  response: ServerResponse,
): Promise<void> {
  refuseWithoutProxy(egress);
  const counters = await egress.counters(instance);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(counters));
}

function refuseWithoutProxy(egress: AuditedEgress): void {
  const problem = egress.problem();
  if (problem !== undefined)
    throw new HypemanError('transient', 'ProxyUnavailable', `the egress proxy cannot be asked: ${problem}`);
}
