import type { Audit, Decision } from './audit.ts';

/** How often; reasons are CamelCase words of our own. */
export type Tally = Readonly<Record<string, number>>;

/** What became of one credential. Those of the policy in force are all told, used or not. */
export type CredentialCounters = {
  /** Of all its rules; empty means every destination. */
  readonly hosts: readonly string[];
  /** 0 although the instance has verdicts: no rule of it ever matched. */
  readonly injected: number;
  /** Milliseconds since the epoch. */
  readonly lastUsed?: number;
  readonly refusals: Tally;
  /** Requests in which its placeholder went to a host without a rule for it, and the last such host. */
  readonly leaks: number;
  readonly lastLeakHost?: string;
};

/** The hosts of each credential. */
export type Roster = ReadonlyMap<string, readonly string[]>;

export type InstanceCounters = {
  readonly instance: string;
  readonly key: string;
  readonly verdicts: Tally;
  /** Questions of DNS that had their answer. */
  readonly resolved: number;
  /** By reason, of what was refused or failed, whether or not a credential was concerned. */
  readonly refusals: Tally;
  readonly credentials: Readonly<Record<string, CredentialCounters>>;
};

export type AuditTrail = Audit & {
  /** From now on decisions about this instance are kept. Again, what was counted for the same credentials stays. */
  open(instance: string, key: string, roster?: Roster): void;
  /** The last decisions, oldest first. */
  recent(instance?: string): readonly Decision[];
  counters(instance?: string): readonly InstanceCounters[];
  /** Calls back for each decision from now on; returns how to stop that. */
  follow(listener: (decision: Decision) => void): () => void;
  forget(instance: string): void;
};

const KEPT_DECISIONS = 128;
/** RFC 1035 section 2.3.4; a guest may well ask for more. */
const LONGEST_HOST = 253;
/** Reasons and credentials are few; a mistake of ours must not become a leak of memory. */
const MOST_NAMES = 256;

type Counted = {
  hosts: readonly string[];
  injected: number;
  lastUsed?: number;
  leaks: number;
  lastLeakHost?: string;
  readonly refusals: Map<string, number>;
};
type Trail = {
  readonly key: string;
  readonly ring: Decision[];
  next: number;
  resolved: number;
  readonly verdicts: Map<string, number>;
  readonly refusals: Map<string, number>;
  credentials: Map<string, Counted>;
};

/** In memory alone: what was decided is told to whoever follows, and the last of it to whoever asks. */
export function openAuditTrail(): AuditTrail {
  const trails = new Map<string, Trail>();
  const followers = new Set<(decision: Decision) => void>();
  const chosen = (instance: string | undefined): readonly (readonly [string, Trail])[] => {
    if (instance === undefined) return [...trails];
    const trail = trails.get(instance);
    return trail === undefined ? [] : [[instance, trail]];
  };
  return {
    open: (instance, key, roster = new Map()) => {
      const known = trails.get(instance);
      const trail = known?.key === key ? known : newTrail(key);
      trail.credentials = countedFor(roster, trail.credentials);
      trails.set(instance, trail);
    },
    decided: (said) => {
      const decision = { ...said, host: printable(said.host) };
      const trail = trails.get(said.instance);
      if (trail !== undefined) record(trail, decision);
      for (const follower of followers) follower(decision);
    },
    resolved: (instance) => {
      const trail = trails.get(instance);
      if (trail !== undefined) trail.resolved += 1;
    },
    recent: (instance) => chosen(instance).flatMap(([, trail]) => inOrder(trail)),
    counters: (instance) => chosen(instance).map(([id, trail]) => countersOf(id, trail)),
    follow: (listener) => {
      followers.add(listener);
      return () => {
        followers.delete(listener);
      };
    },
    forget: (instance) => {
      trails.delete(instance);
    },
  };
}

function newTrail(key: string): Trail {
  return {
    key,
    ring: [],
    next: 0,
    resolved: 0,
    verdicts: new Map(),
    refusals: new Map(),
    credentials: new Map(),
  };
}

/** Counters of credentials that are gone go with them. */
function countedFor(roster: Roster, before: ReadonlyMap<string, Counted>): Map<string, Counted> {
  return new Map(
    [...roster].map(([name, hosts]) => {
      return [name, { ...newCounted(hosts), ...before.get(name), hosts }] as const;
    }),
  );
}

function newCounted(hosts: readonly string[]): Counted {
  return { hosts, injected: 0, leaks: 0, refusals: new Map() };
}

function record(trail: Trail, decision: Decision): void {
  trail.ring[trail.next] = decision;
  trail.next = (trail.next + 1) % KEPT_DECISIONS;
  const isLeak = decision.reason === 'PlaceholderLeak';
  const isRefusal = decision.verdict === 'refused' || decision.verdict === 'failed';
  if (!isLeak) add(trail.verdicts, decision.verdict);
  if (isRefusal) add(trail.refusals, decision.reason);
  for (const name of decision.credentials) {
    // One that is not of the policy in force was a moment ago, when its request began.
    const counted = trail.credentials.get(name) ?? newCounted([]);
    count(counted, decision, { isLeak, isRefusal });
    if (trail.credentials.size < MOST_NAMES) trail.credentials.set(name, counted);
  }
}

function count(
  counted: Counted,
  { at, host, verdict, reason }: Decision,
  { isLeak, isRefusal }: { readonly isLeak: boolean; readonly isRefusal: boolean },
): void {
  if (isLeak) {
    counted.leaks += 1;
    counted.lastLeakHost = host;
  } else if (verdict === 'injected') {
    counted.injected += 1;
    counted.lastUsed = at;
  } else if (isRefusal) add(counted.refusals, reason);
}

function add(tally: Map<string, number>, name: string): void {
  const before = tally.get(name);
  if (before !== undefined || tally.size < MOST_NAMES) tally.set(name, (before ?? 0) + 1);
}

function inOrder({ ring, next }: Trail): readonly Decision[] {
  return [...ring.slice(next), ...ring.slice(0, next)];
}

function countersOf(instance: string, trail: Trail): InstanceCounters {
  const credentials = [...trail.credentials].map(
    ([name, counted]) => [name, { ...counted, refusals: Object.fromEntries(counted.refusals) }] as const,
  );
  return {
    instance,
    key: trail.key,
    verdicts: Object.fromEntries(trail.verdicts),
    resolved: trail.resolved,
    refusals: Object.fromEntries(trail.refusals),
    credentials: Object.fromEntries(credentials),
  };
}

/** A guest chooses this text and a terminal may show it. */
function printable(host: string): string {
  return host.slice(0, LONGEST_HOST).replace(/[^\x21-\x7e]/g, '?');
}
