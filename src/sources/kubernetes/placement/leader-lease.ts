import { textAt, valueAt } from '../../../api/raw.ts';
import { HypemanError, messageOf } from '../../../errors.ts';
import type { Logger } from '../../../log.ts';
import { isSuccess, sentenceOf } from '../api-server.ts';
import type { Answer, ApiServer } from '../api-server.ts';
import { FIELD_MANAGER } from '../instance-resource.ts';
import { objectIn } from '../kubernetes-object.ts';
import type { KubernetesObject } from '../kubernetes-object.ts';
import { microTime } from '../micro-time.ts';
import { pause } from '../pause.ts';

export type LeaseTiming = {
  /** How long the others leave one alone that does not renew. */
  readonly leaseMs: number;
  /** How long one that cannot renew goes on: less, so that two never write at one time. */
  readonly renewMs: number;
  readonly retryMs: number;
};

/** client-go's own (tools/leaderelection; kube-scheduler, --leader-elect-*). */
export const LEASE_TIMING: LeaseTiming = { leaseMs: 15_000, renewMs: 10_000, retryMs: 2_000 };

export type LeaderLeaseParts = {
  readonly api: ApiServer;
  readonly namespace: string;
  readonly name: string;
  /** Nobody else's, not even that of an earlier life. */
  readonly identity: string;
  readonly log: Logger;
  /** From now on it is this one's work; the signal ends it. */
  readonly onTerm: (ended: AbortSignal) => void;
  readonly timing?: LeaseTiming;
  /** Milliseconds of a clock that never goes back. */
  readonly clock?: () => number;
};

/** The Lease as last seen, and when it changed last by our own clock: clocks of others are not compared. */
type Seen = { readonly object: KubernetesObject; readonly at: number };

/**
 * One of several is at work: who has the Lease (coordination.k8s.io/v1), taken and renewed under its
 * resourceVersion. Rests on nobody's wall clock. At the end it is given back, so that the next need not wait.
 */
export class LeaderLease {
  readonly #parts: LeaderLeaseParts;
  readonly #timing: LeaseTiming;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  #seen: Seen | undefined;
  #term: AbortController | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #deadline: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: LeaderLeaseParts) {
    this.#parts = parts;
    this.#timing = parts.timing ?? LEASE_TIMING;
    this.#now = parts.clock ?? (() => performance.now());
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Asked before every write: a process that stood still for a while learns here that its time is over. */
  isHeld(): boolean {
    return this.#term !== undefined && this.#now() - this.#renewedAt < this.#timing.renewMs;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const wasHeld = this.isHeld();
    this.#endTerm();
    if (wasHeld && this.#seen !== undefined)
      await this.#write(this.#seen.object, { holderIdentity: '', leaseDurationSeconds: 1 }).catch(
        () => undefined,
      );
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const startedAt = this.#now();
      const outcome = await this.#attempt(startedAt);
      if (outcome === 'ours') this.#renewed(startedAt);
      if (outcome === 'theirs') this.#endTerm();
      await pause(this.#timing.retryMs, this.#stop.signal);
    }
  }

  /** `unknown`: the server did not say. */
  async #attempt(now: number): Promise<'ours' | 'theirs' | 'unknown'> {
    try {
      return (await this.#take(now)) ? 'ours' : 'theirs';
    } catch (error) {
      // What was written, if anything, is for a look to tell.
      if (this.#term !== undefined) this.#seen = undefined;
      this.#parts.log.warn({ message: messageOf(error) }, 'the Lease could not be had or kept');
      return 'unknown';
    }
  }

  async #take(now: number): Promise<boolean> {
    // Who has it writes without a look: the version says whether anybody else did.
    const kept = this.#term === undefined ? undefined : this.#seen?.object;
    const current = kept ?? (await this.#look(now));
    if (current === undefined) return this.#create(now);
    const holder = textAt(current.document, ['spec', 'holderIdentity']) ?? '';
    const isOurs = holder === this.#parts.identity;
    if (!isOurs && holder !== '' && !this.#isLeft(now)) return false;
    return this.#keep(await this.#write(current, isOurs ? this.#claim() : this.#claimAfter(current)), now);
  }

  /** Nobody renewed it for as long as that takes. */
  #isLeft(now: number): boolean {
    return this.#seen !== undefined && now - this.#seen.at >= this.#timing.leaseMs;
  }

  async #look(now: number): Promise<KubernetesObject | undefined> {
    const answer = await this.#parts.api.ask({ method: 'GET', path: this.#path(), signal: this.#limit() });
    if (answer.status === 404) return undefined;
    const object = objectOf(answer);
    if (this.#seen?.object.resourceVersion !== object.resourceVersion) this.#seen = { object, at: now };
    return object;
  }

  async #create(now: number): Promise<boolean> {
    const { api, namespace, name } = this.#parts;
    const answer = await api.ask({
      method: 'POST',
      path: `${leasesPath(namespace)}?fieldManager=${FIELD_MANAGER}`,
      body: { metadata: { name }, spec: { ...this.#claim(), acquireTime: microTime(Date.now()) } },
      signal: this.#limit(),
    });
    return this.#keep(answer, now);
  }

  #claim(): Record<string, unknown> {
    const leaseDurationSeconds = Math.max(1, Math.round(this.#timing.leaseMs / 1000));
    return { holderIdentity: this.#parts.identity, leaseDurationSeconds, renewTime: microTime(Date.now()) };
  }

  #claimAfter({ document }: KubernetesObject): Record<string, unknown> {
    const transitions = Number(valueAt(document, ['spec', 'leaseTransitions']) ?? 0);
    return { ...this.#claim(), acquireTime: microTime(Date.now()), leaseTransitions: transitions + 1 };
  }

  /** Throws for what is no success, a conflict too: who was first is for the next look to tell. */
  #keep(answer: Answer, now: number): true {
    this.#seen = { object: objectOf(answer), at: now };
    return true;
  }

  #write(current: KubernetesObject, spec: Readonly<Record<string, unknown>>): Promise<Answer> {
    return this.#parts.api.ask({
      method: 'PATCH',
      path: `${this.#path()}?fieldManager=${FIELD_MANAGER}`,
      patch: 'application/merge-patch+json',
      body: { metadata: { resourceVersion: current.resourceVersion }, spec },
      signal: this.#limit(),
    });
  }

  /** A question that is answered after the term would renew what is another's by then. */
  #limit(): AbortSignal {
    return AbortSignal.timeout(Math.max(1, Math.round(this.#timing.renewMs / 2)));
  }

  #path(): string {
    return `${leasesPath(this.#parts.namespace)}/${this.#parts.name}`;
  }

  /** Counts from when the question was sent: the others count from when its answer was there. */
  #renewed(at: number): void {
    this.#renewedAt = at;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
      () => {
        this.#endTerm();
      },
      at + this.#timing.renewMs - this.#now(),
    );
    if (this.#term !== undefined) return;
    this.#term = new AbortController();
    this.#parts.log.info({ identity: this.#parts.identity }, 'this one is at work');
    this.#parts.onTerm(this.#term.signal);
  }

  #endTerm(): void {
    clearTimeout(this.#deadline);
    if (this.#term === undefined) return;
    this.#term.abort();
    this.#term = undefined;
    this.#parts.log.info({ identity: this.#parts.identity }, 'this one is at work no more');
  }
}

function leasesPath(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
}

function objectOf(answer: Answer): KubernetesObject {
  const object = isSuccess(answer) ? objectIn(answer.body) : undefined;
  if (object !== undefined) return object;
  throw new HypemanError('transient', 'LeaseUnreadable', `the Lease: ${sentenceOf(answer)}`);
}
