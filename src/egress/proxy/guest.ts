import type { Server } from 'node:http';
import type { Audit, Decision } from '../audit.ts';
import type { Authority, Policies } from '../ports.ts';
import type { Policy } from '../policy.ts';
import type { Dial } from './dial.ts';
import type { Http1Pool } from './http1-pool.ts';
import { openHttp1Pool } from './http1-pool.ts';
import type { Http2Pool } from './http2-pool.ts';
import { openHttp2Pool } from './http2-pool.ts';
import type { Limits } from './limits.ts';
import { OpenWork } from './open-work.ts';
import { failureOf, refusal, verdictOf } from './refusal.ts';

/** What the whole proxy shares. */
export type Parts = {
  readonly policies: Policies;
  readonly authority: Authority;
  readonly audit: Audit;
  readonly dial: Dial;
  readonly limits: Limits;
  readonly now: () => number;
  /** Parses what comes in on all connections. */
  readonly http1Server: Server;
};

/** One instance, as the proxy knows it. Nothing in here is shared with another instance. */
export type Guest = {
  readonly instance: string;
  readonly parts: Parts;
  readonly http1: Http1Pool;
  readonly http2: Http2Pool;
  readonly work: OpenWork;
};

export type Way = Decision['way'];
/** One connection of a guest, or what is inside of it. */
export type Visit = { readonly guest: Guest; readonly way: Way };

export type Told = Pick<Decision, 'host' | 'verdict' | 'reason'> & {
  readonly credentials?: readonly string[];
};

export function openGuest(instance: string, parts: Parts): Guest {
  const http1 = openHttp1Pool(parts.dial, parts.limits);
  const http2 = openHttp2Pool(parts.dial, parts.limits, (host, socket) => {
    http1.add({ host, port: 443 }, socket);
  });
  return { instance, parts, http1, http2, work: new OpenWork() };
}

/** The policy in force at this moment. Throws `PolicyMissing`: without one the answer is no. */
export function policyOf(guest: Guest): Policy {
  const policy = guest.parts.policies.of(guest.instance);
  if (policy === undefined) throw refusal('PolicyMissing', 'the policy of this instance is not here yet');
  return policy;
}

export function tell({ guest, way }: Visit, told: Told): void {
  const { audit, policies, now } = guest.parts;
  const key = policies.of(guest.instance)?.key ?? '';
  audit.decided({ at: now(), instance: guest.instance, key, way, credentials: [], ...told });
}

/** Says in the audit trail why a connection or request did not go on. */
export function tellFailure(
  visit: Visit,
  host: string,
  error: unknown,
  credentials: readonly string[] = [],
): void {
  const { reason } = failureOf(error);
  tell(visit, { host, verdict: verdictOf(reason), reason, credentials });
}
