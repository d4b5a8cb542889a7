import { isIP } from 'node:net';
import type { Grant, HostPattern, Policy } from '../policy.ts';

/**
 * Whether a pattern names a canonical host (see host-name.ts): the same text, or exactly one more label
 * under `*.`. An address is matched only by itself.
 */
export function matchesHost(pattern: HostPattern, host: string): boolean {
  if (!pattern.startsWith('*.')) return pattern === host;
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot) === pattern.slice(1) && isIP(host) === 0;
}

/** Whether a grant may be used for a host; no hosts mean every destination. */
export function grantCovers(grant: Grant, host: string): boolean {
  return grant.hosts.length === 0 || grant.hosts.some((pattern) => matchesHost(pattern, host));
}

/** Whether TLS to this host has to be opened, because a grant could be used in it. */
export function isIntercepted(policy: Policy, host: string): boolean {
  return policy.grants.some((grant) => grantCovers(grant, host));
}

/** The grants for a host, one per header: an exact host beats a wildcard, a wildcard beats "everywhere". */
export function grantsFor(policy: Policy, host: string): readonly Grant[] {
  const covering = policy.grants.filter((grant) => grantCovers(grant, host));
  if (covering.length < 2) return covering;
  const byHeader = new Map<string, Grant>();
  for (const grant of covering) {
    const rival = byHeader.get(grant.header);
    if (rival === undefined || rankFor(grant, host) < rankFor(rival, host)) byHeader.set(grant.header, grant);
  }
  return [...byHeader.values()];
}

function rankFor(grant: Grant, host: string): number {
  if (grant.hosts.includes(host)) return 0;
  return grant.hosts.length > 0 ? 1 : 2;
}
