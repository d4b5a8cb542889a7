import { setTimeout as sleep } from 'node:timers/promises';
import type { Injection } from './api/instance.ts';
import type { InstanceEvent } from './api/reported.ts';
import type { Decision } from './egress/audit.ts';
import type { Egress } from './egress/egress.ts';
import { matchesHost } from './egress/proxy/matching.ts';
import type { Logger } from './log.ts';
import { keyOf } from './machine/ids.ts';
import type { InstanceKey } from './machine/ids.ts';
import type { Source } from './sources/source.ts';

export type EgressWarningParts = {
  readonly egress: Pick<Egress, 'decisions' | 'counters'>;
  readonly source: Pick<Source, 'declared' | 'lastStatus'>;
  readonly tell: (key: InstanceKey, events: readonly InstanceEvent[]) => Promise<void>;
  readonly log: Logger;
  readonly now: () => number;
  /** After the proxy's end, until it is asked again. */
  readonly retryMs?: number;
};

/** So many requests of an instance must have gone by before a rule that none of them met is worth a word. */
export const REQUESTS_BEFORE_DOUBT = 20;
/** A guest chooses hosts: so many leaks of one instance are told, the others are counted by the proxy. */
const MOST_LEAKS = 32;
const MOST_INSTANCES = 16_384;
/** The process is there only while something is mediated, and it keeps the last decisions until then. */
const RETRY_MS = 10_000;

/** What was seen of one instance since its guest was started. */
type Seen = {
  readonly startedAt: string | undefined;
  generation: number;
  requests: number;
  /** How often each credential was used, for comparison with what the proxy counted. */
  readonly uses: Map<string, number>;
  readonly matched: Set<string>;
  readonly warned: Set<string>;
  readonly leaked: Set<string>;
};

type Rule = { readonly credential: string; readonly injection: Injection; readonly name: string };

/**
 * Follows the proxy's decisions and tells, as events, what a user should know and would not look for: a
 * placeholder that went to a host without a rule (once for each credential and host), and a rule that no
 * request has met (once for each rule and generation). Plans nothing and wakes nobody.
 */
export function openEgressWarnings(parts: EgressWarningParts): { close(): Promise<void> } {
  const over = new AbortController();
  const warnings = new EgressWarnings(parts);
  const work = follow(parts, warnings, over.signal);
  return {
    close: async () => {
      over.abort();
      await work;
    },
  };
}

async function follow(
  parts: EgressWarningParts,
  warnings: EgressWarnings,
  signal: AbortSignal,
): Promise<void> {
  const { egress, log, retryMs = RETRY_MS } = parts;
  while (!signal.aborted) {
    await listen(egress, warnings, signal).catch((error: unknown) => {
      log.debug({ err: error }, 'egress decisions cannot be followed');
    });
    await sleep(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

async function listen(
  egress: EgressWarningParts['egress'],
  warnings: EgressWarnings,
  signal: AbortSignal,
): Promise<void> {
  warnings.begin();
  for await (const followed of egress.decisions({ follow: true, signal }))
    if (followed.is === 'decision') await warnings.heard(followed.decision);
}

class EgressWarnings {
  readonly #parts: EgressWarningParts;
  readonly #seen = new Map<InstanceKey, Seen>();

  constructor(parts: EgressWarningParts) {
    this.#parts = parts;
  }

  /** A new connection tells the last decisions again: what was counted of them is counted anew. */
  begin(): void {
    for (const seen of this.#seen.values()) {
      seen.requests = 0;
      seen.uses.clear();
    }
  }

  async heard(decision: Decision): Promise<void> {
    const key = keyIn(decision.key);
    const declared = this.#parts.source.declared(key);
    if (declared.is !== 'wanted') {
      this.#seen.delete(key);
      return;
    }
    const seen = this.#seenOf(key, declared.generation);
    if (decision.reason === 'PlaceholderLeak') {
      await this.#tellLeaks(key, seen, decision);
      return;
    }
    const rules = rulesOf(declared.instance.spec.credentials);
    count(seen, rules, decision);
    if (seen.requests >= REQUESTS_BEFORE_DOUBT)
      await this.#tellUnmatched(key, seen, rules, decision.instance);
  }

  #seenOf(key: InstanceKey, generation: number): Seen {
    const startedAt = this.#parts.source.lastStatus(key)?.startedAt;
    const known = this.#seen.get(key);
    if (known?.startedAt !== startedAt || known === undefined) {
      const fresh = {
        startedAt,
        generation,
        requests: 0,
        ...emptySets(),
        leaked: known?.leaked ?? new Set(),
      };
      if (this.#seen.size < MOST_INSTANCES) this.#seen.set(key, fresh);
      return fresh;
    }
    if (known.generation !== generation) {
      known.generation = generation;
      known.requests = 0;
      known.warned.clear();
    }
    return known;
  }

  async #tellLeaks(key: InstanceKey, { leaked }: Seen, { host, credentials }: Decision): Promise<void> {
    for (const credential of credentials) {
      const leak = `${credential} ${host}`;
      if (leaked.has(leak) || leaked.size >= MOST_LEAKS) continue;
      leaked.add(leak);
      await this.#tell(
        key,
        'PlaceholderLeak',
        `the placeholder of credential ${credential} went to ${host}, for which it has no rule: add the host to its rule, or see why the guest sends it there`,
      );
    }
  }

  async #tellUnmatched(
    key: InstanceKey,
    seen: Seen,
    rules: readonly Rule[],
    instance: string,
  ): Promise<void> {
    const silent = rules.filter(({ name }) => !seen.matched.has(name) && !seen.warned.has(name));
    if (silent.length === 0) return;
    for (const { name } of silent) seen.warned.add(name);
    const [counters] = await this.#parts.egress.counters(instance).catch(() => []);
    for (const { credential, injection } of silent) {
      // It was used when we did not listen: by which of its rules nobody knows now.
      if ((counters?.credentials[credential]?.injected ?? 0) > (seen.uses.get(credential) ?? 0)) continue;
      await this.#tell(
        key,
        'RuleNeverMatched',
        `credential ${credential} was not used for ${hostsText(injection)} in ${seen.requests} requests: ${hintFor(injection, credential)}`,
      );
    }
  }

  async #tell(key: InstanceKey, reason: string, message: string): Promise<void> {
    try {
      await this.#parts.tell(key, [{ type: 'Warning', reason, message, at: this.#parts.now() }]);
    } catch (error) {
      this.#parts.log.warn({ instance: key, err: error }, 'a warning could not be reported');
    }
  }
}

function emptySets(): Pick<Seen, 'uses' | 'matched' | 'warned'> {
  return { uses: new Map(), matched: new Set(), warned: new Set() };
}

function rulesOf(credentials: Readonly<Record<string, { readonly inject: readonly Injection[] }>>): Rule[] {
  return Object.entries(credentials).flatMap(([credential, { inject }]) =>
    inject.map((injection) => ({ credential, injection, name: JSON.stringify([credential, injection]) })),
  );
}

function count(seen: Seen, rules: readonly Rule[], { verdict, host, credentials }: Decision): void {
  seen.requests += 1;
  if (verdict === 'injected')
    for (const credential of credentials) seen.uses.set(credential, (seen.uses.get(credential) ?? 0) + 1);
  for (const { credential, injection, name } of rules)
    if (credentials.includes(credential) && covers(injection, host)) seen.matched.add(name);
}

function covers({ hosts }: Injection, host: string): boolean {
  return hosts.length === 0 || hosts.some((pattern) => matchesHost(pattern, host));
}

function hostsText({ hosts }: Injection): string {
  return hosts.length === 0 ? 'any host' : hosts.join(', ');
}

function hintFor({ when }: Injection, credential: string): string {
  return when === 'placeholder'
    ? `it is used only where the guest sends mock-${credential} in that header`
    : 'check its hosts, and that the guest asks them over HTTPS';
}

function keyIn(text: string): InstanceKey {
  const [namespace = '', name = ''] = text.split('/');
  return keyOf(namespace, name);
}
