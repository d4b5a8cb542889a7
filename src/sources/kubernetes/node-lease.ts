import { randomUUID } from 'node:crypto';
import { textAt, valueAt } from '../../api/raw.ts';
import type { Mapping } from '../../api/raw.ts';
import { HypemanError, messageOf } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import { hasCertainlyEnded, holderTextFor } from './agent-host.ts';
import type { AgentHost } from './agent-host.ts';
import { isSuccess, sentenceOf } from './api-server.ts';
import type { Answer, ApiServer } from './api-server.ts';
import { FIELD_MANAGER } from './instance-resource.ts';
import { microTime } from './micro-time.ts';
import { pause } from './pause.ts';
import { AGENT_LEASES, HYPERVISORS_ANNOTATION, KVM_ANNOTATION } from './placement/placeholder-words.ts';

/** An agent, and the host that it speaks for. */
export type NodePresence = {
  readonly host: AgentHost;
  readonly version: string;
  /** What machines this host can run. */
  readonly abilities: () => Promise<{ readonly hypervisors: readonly string[]; readonly hasKvm: boolean }>;
  /** Another agent has the node's name now: this one must end. */
  readonly onLost: (message: string) => void;
  readonly renewMs?: number;
  readonly lastsMs?: number;
};

export type NodeLeaseParts = NodePresence & {
  readonly api: ApiServer;
  readonly nodeName: string;
  readonly log: Logger;
};

const VERSION_ANNOTATION = 'hypeman.dev/version';
const RENEW_MS = 10_000;
const LASTS_MS = 40_000;
/** After a write that lost a race, or had no answer. */
const AGAIN_MS = 1_000;
const NOT_FOUND = 404;
const CONFLICT = 409;

/** What a look at the Lease found. */
type Turn =
  | { readonly is: 'ours' }
  | { readonly is: 'again' }
  | { readonly is: 'theirs'; readonly holder: string; readonly leftMs: number };

/**
 * The Lease of a node: says every ten seconds that its agent is there and what it can run, and keeps a second agent
 * that was given the same node's name from acting. Whether another's has expired is measured from when its last
 * renewal was first seen here: clocks of nodes are not compared.
 */
export class NodeLease {
  readonly #parts: NodeLeaseParts;
  readonly #path: string;
  readonly #identity: string;
  readonly #abort = new AbortController();
  /** As last seen or written; undefined: to be read. */
  #lease: Mapping | undefined;
  #renewal: { readonly text: string; readonly seenAt: number } | undefined;
  #waitsFor: string | undefined;
  /** Told, and not over yet. */
  #trouble: string | undefined;

  constructor(parts: NodeLeaseParts) {
    this.#parts = parts;
    this.#path = `${AGENT_LEASES}/${parts.nodeName}`;
    this.#identity = holderTextFor(parts.nodeName, parts.host, randomUUID());
  }

  /** Resolves when the node is ours to act for, however long that takes; it is kept from then on. */
  async acquire(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const turn = await this.#turn();
      if (turn.is === 'ours') break;
      if (turn.is === 'theirs') this.#tellWait(turn.holder);
      await pause(turn.is === 'theirs' ? Math.min(turn.leftMs, this.#renewMs) : AGAIN_MS, signal);
    }
    void this.#keep();
  }

  /** An agent that follows on this host takes it at once; no other before it expires. */
  close(): void {
    this.#abort.abort();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#abort;
    let waitMs = this.#renewMs;
    for (;;) {
      await pause(waitMs, signal);
      if (signal.aborted) return;
      const turn = await this.#turn();
      if (turn.is === 'theirs') {
        this.#parts.onLost(`${turn.holder} acts for node ${this.#parts.nodeName} now`);
        return;
      }
      waitMs = turn.is === 'ours' ? this.#renewMs : AGAIN_MS;
    }
  }

  /** One look, and one write if it is ours or free. */
  async #turn(): Promise<Turn> {
    try {
      const lease = this.#lease ?? (await this.#read());
      if (lease === undefined) return await this.#write({ method: 'POST', path: AGENT_LEASES });
      const holder = textAt(lease, ['spec', 'holderIdentity']) ?? '';
      const leftMs = this.#isOurs(holder) ? 0 : this.#leftMs(lease);
      if (leftMs > 0) {
        this.#lease = undefined;
        return { is: 'theirs', holder, leftMs };
      }
      return await this.#write({ method: 'PATCH', path: this.#path }, lease);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#tellTrouble(messageOf(error));
      this.#lease = undefined;
      return { is: 'again' };
    }
  }

  async #read(): Promise<Mapping | undefined> {
    const answer = await this.#parts.api.ask({ method: 'GET', path: this.#path, signal: this.#abort.signal });
    if (answer.status === NOT_FOUND && textAt(answer.body, ['reason']) === 'NotFound') return undefined;
    return documentIn(answer);
  }

  async #write(
    request: { readonly method: 'POST' | 'PATCH'; readonly path: string },
    before?: Mapping,
  ): Promise<Turn> {
    const answer = await this.#parts.api.ask({
      ...request,
      path: `${request.path}?fieldManager=${FIELD_MANAGER}`,
      ...(request.method === 'PATCH' ? { patch: 'application/merge-patch+json' as const } : {}),
      body: await this.#wanted(before),
      signal: this.#abort.signal,
    });
    const isGone = answer.status === NOT_FOUND && request.method === 'PATCH';
    if (answer.status === CONFLICT || isGone) {
      this.#lease = undefined;
      return { is: 'again' };
    }
    this.#lease = documentIn(answer);
    this.#trouble = undefined;
    return { is: 'ours' };
  }

  async #wanted(before: Mapping | undefined): Promise<Mapping> {
    const { nodeName, version, abilities } = this.#parts;
    const { hypervisors, hasKvm } = await abilities();
    const now = microTime(Date.now());
    const isNew = textAt(before, ['spec', 'holderIdentity']) !== this.#identity;
    const transitions = Number(valueAt(before, ['spec', 'leaseTransitions']) ?? -1);
    const taken = { acquireTime: now, leaseTransitions: transitions + 1 };
    return {
      metadata: {
        name: nodeName,
        annotations: {
          [HYPERVISORS_ANNOTATION]: hypervisors.join(','),
          [KVM_ANNOTATION]: String(hasKvm),
          [VERSION_ANNOTATION]: version,
        },
        ...(before === undefined ? {} : { resourceVersion: textAt(before, ['metadata', 'resourceVersion']) }),
      },
      spec: {
        holderIdentity: this.#identity,
        leaseDurationSeconds: Math.ceil(this.#lastsMs / 1000),
        renewTime: now,
        ...(isNew ? taken : {}),
      },
    };
  }

  /** Nobody's, or of an agent of this host: this one itself, or one before it. */
  #isOurs(holder: string): boolean {
    const { nodeName, host } = this.#parts;
    return holder === '' || hasCertainlyEnded(holder, nodeName, host);
  }

  #leftMs(lease: Mapping): number {
    const now = performance.now();
    const text = textAt(lease, ['spec', 'renewTime']) ?? '';
    if (this.#renewal?.text !== text) this.#renewal = { text, seenAt: now };
    const lastsMs = Number(valueAt(lease, ['spec', 'leaseDurationSeconds']) ?? 0) * 1000;
    return this.#renewal.seenAt + lastsMs - now;
  }

  #tellTrouble(message: string): void {
    if (this.#trouble === message) return;
    this.#trouble = message;
    const { log, nodeName } = this.#parts;
    log.warn({ node: nodeName, message }, "the node's Lease cannot be renewed, and is tried again");
  }

  #tellWait(holder: string): void {
    if (this.#waitsFor === holder) return;
    this.#waitsFor = holder;
    const { log, nodeName } = this.#parts;
    log.warn(
      { node: nodeName, holder },
      'another agent acts for this node: nothing is done before its Lease expires; if both are to run, give each the name of its own node',
    );
  }

  get #renewMs(): number {
    return this.#parts.renewMs ?? RENEW_MS;
  }

  get #lastsMs(): number {
    return this.#parts.lastsMs ?? LASTS_MS;
  }
}

function documentIn(answer: Answer): Mapping {
  if (isSuccess(answer)) return answer.body;
  throw new HypemanError('transient', 'ApiServerRefused', sentenceOf(answer));
}
