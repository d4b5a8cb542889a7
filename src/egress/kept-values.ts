import type { Grant, HostPattern, Policy } from './policy.ts';
import { matchesHost } from './proxy/matching.ts';

/**
 * The policy with the values of `before` in grants that have none. A value that cannot be had now goes on for its
 * credential, from the same variable, in a header and to hosts that it was allowed to go to in it before: rules narrow
 * at once, and do not widen by a value that nobody can see. A grant of which only some hosts were allowed becomes two. Of a
 * credential that has a value in some grant, none is kept.
 */
export function withKeptValues(policy: Policy, before: Policy | undefined): Policy {
  if (before === undefined || policy.grants.every(hasValue)) return policy;
  const there = new Set(policy.grants.filter(hasValue).map(({ credential }) => credential));
  return {
    ...policy,
    grants: policy.grants.flatMap((grant) =>
      there.has(grant.credential) ? [grant] : keptIn(grant, before.grants),
    ),
  };
}

/** The credentials of which some grant has no value, by name. */
export function lackingIn({ grants }: Policy): readonly string[] {
  const lacking = grants.filter((grant) => !hasValue(grant));
  return [...new Set(lacking.map(({ credential }) => credential))];
}

function hasValue({ value }: Grant): boolean {
  return value !== undefined;
}

function keptIn(grant: Grant, before: readonly Grant[]): readonly Grant[] {
  const own = before.filter(
    (one) =>
      hasValue(one) &&
      one.credential === grant.credential &&
      one.sourceEnv === grant.sourceEnv &&
      one.header === grant.header,
  );
  const value = own[0]?.value;
  if (value === undefined) return [grant];
  if (own.some(({ hosts }) => hosts.length === 0)) return [{ ...grant, value }];
  const allowed = own.flatMap(({ hosts }) => hosts);
  const isEverywhere = grant.hosts.length === 0;
  const kept = isEverywhere ? allowed : grant.hosts.flatMap((host) => commonOf(host, allowed));
  const others = grant.hosts.filter((host) => !allowed.some((pattern) => matchesHost(pattern, host)));
  return [
    ...(kept.length === 0 ? [] : [{ ...grant, hosts: [...new Set(kept)], value }]),
    ...(others.length === 0 && !isEverywhere ? [] : [{ ...grant, hosts: others }]),
  ];
}

/** What both sides match; a wildcard matches itself. */
function commonOf(host: HostPattern, allowed: readonly HostPattern[]): readonly HostPattern[] {
  if (allowed.some((pattern) => matchesHost(pattern, host))) return [host];
  return allowed.filter((pattern) => matchesHost(host, pattern));
}
