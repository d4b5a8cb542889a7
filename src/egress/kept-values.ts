import { isIP } from 'node:net';
import type { Secret } from '../secrets/secret.ts';
import type { Grant, HostPattern, Policy } from './policy.ts';

/**
 * The policy with the values of `before` in grants that have none. A value that cannot be had now goes on for its
 * credential, from the same variable, in a header and to hosts that it was allowed to go to in it before: rules narrow
 * at once, and do not widen by a value that nobody can see. A grant of which only some hosts were allowed becomes two. Of a
 * credential that has a value in some grant, none is kept.
 */
export function withKeptValues(policy: Policy, before: Policy | undefined): Policy {
  if (before === undefined || policy.grants.every(hasValue)) return policy;
  const there = new Set(policy.grants.filter(hasValue).map(({ credential }) => credential));
  const known = knownIn(before);
  return {
    ...policy,
    grants: policy.grants.flatMap((grant) =>
      there.has(grant.credential) ? [grant] : keptIn(grant, known.get(placeOf(grant))),
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

/** A value, and where it may go; looked up by host, because whoever declares thousands of them would hold up everybody. */
type Known = {
  readonly value: Secret;
  isEverywhere: boolean;
  readonly allowed: Set<HostPattern>;
  /** Of what is allowed, that which a wildcard stands over. */
  readonly below: Map<HostPattern, HostPattern[]>;
};

function knownIn({ grants }: Policy): ReadonlyMap<string, Known> {
  const all = new Map<string, Known>();
  for (const grant of grants) {
    const { value, hosts } = grant;
    if (value === undefined) continue;
    const place = placeOf(grant);
    const known = all.get(place) ?? { value, isEverywhere: false, allowed: new Set(), below: new Map() };
    all.set(place, known);
    if (hosts.length === 0) known.isEverywhere = true;
    for (const host of hosts) note(known, host);
  }
  return all;
}

function note({ allowed, below }: Known, host: HostPattern): void {
  if (allowed.has(host)) return;
  allowed.add(host);
  const wildcard = wildcardOver(host);
  if (wildcard === undefined) return;
  const others = below.get(wildcard);
  if (others === undefined) below.set(wildcard, [host]);
  else others.push(host);
}

function placeOf({ credential, sourceEnv, header }: Grant): string {
  return JSON.stringify([credential, sourceEnv, header]);
}

function keptIn(grant: Grant, known: Known | undefined): readonly Grant[] {
  if (known === undefined) return [grant];
  const { value, allowed } = known;
  if (known.isEverywhere) return [{ ...grant, value }];
  const isEverywhere = grant.hosts.length === 0;
  const kept = isEverywhere ? [...allowed] : grant.hosts.flatMap((host) => commonOf(host, known));
  const others = grant.hosts.filter((host) => !isAllowed(host, known));
  return [
    ...(kept.length === 0 ? [] : [{ ...grant, hosts: [...new Set(kept)], value }]),
    ...(others.length === 0 && !isEverywhere ? [] : [{ ...grant, hosts: others }]),
  ];
}

/** What both sides match. */
function commonOf(host: HostPattern, known: Known): readonly HostPattern[] {
  return isAllowed(host, known) ? [host] : (known.below.get(host) ?? []);
}

function isAllowed(host: HostPattern, { allowed }: Known): boolean {
  const wildcard = wildcardOver(host);
  return allowed.has(host) || (wildcard !== undefined && allowed.has(wildcard));
}

/** The one wildcard that matches it (`matchesHost`); of a wildcard, itself. */
function wildcardOver(host: HostPattern): HostPattern | undefined {
  const dot = host.indexOf('.');
  return dot > 0 && isIP(host) === 0 ? `*${host.slice(dot)}` : undefined;
}
