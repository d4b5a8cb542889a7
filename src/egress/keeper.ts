import { HypemanError } from '../errors.ts';
import { boundLog } from '../host/bounded-log.ts';
import { namesIn } from '../host/files.ts';
import type { Logger } from '../log.ts';
import type { Roots } from '../machine/paths.ts';
import { removeCa } from './authority/ca.ts';
import { connectControl, unavailable } from './control/client.ts';
import type { ControlClient } from './control/client.ts';
import type { InForce } from './egress.ts';
import { endEgress, findEgress, killEgress, startEgress, wasTold } from './launch.ts';
import { NOTHING_SAID } from './outside.ts';
import type { Outside } from './outside.ts';
import { egressPlace } from './place.ts';
import type { EgressPlace } from './place.ts';
import { WantedPolicies } from './wanted-policies.ts';
import type { WantedPolicy } from './wanted-policies.ts';
import type { Policy } from './policy.ts';

export type EgressOptions = {
  readonly roots: Roots;
  /** Of this host's boot: `readBootId()`. */
  readonly bootId: string;
  readonly log: Logger;
  /** Another word than before starts another process. */
  readonly outside?: Outside;
  /** What is in force for this instance changed without being asked: look again. May ring at any rate. */
  readonly onChange: (instance: string) => void;
};

const HEARTBEAT_MS = 10_000;
const HEARTBEAT_WITHIN_MS = 5000;
const FIRST_RETRY_MS = 100;
const SLOWEST_RETRY_MS = 10_000;
const LONGEST_LOG = 4 * 1024 * 1024;

/**
 * Keeps one process running while a policy is wanted or in force, one conversation with it, and in it every
 * policy that is wanted. It rests, without a process, when there is none to keep.
 */
export class Keeper {
  readonly place: EgressPlace;
  readonly #options: EgressOptions;
  readonly #wanted = new WantedPolicies();
  readonly #inForce = new Map<string, InForce>();
  #client: ControlClient | undefined;
  #problem: string | undefined;
  #isResting = false;
  #retryMs = FIRST_RETRY_MS;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** What is being done about the process; it never fails. */
  #attempt: Promise<void> = Promise.resolve();

  constructor(options: EgressOptions) {
    this.#options = options;
    this.place = egressPlace(options.roots);
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** There is no process, and that is as it should be. */
  get isResting(): boolean {
    return this.#isResting;
  }

  client(): ControlClient {
    if (this.#client === undefined) throw unavailable(this.#problem ?? 'it is being started');
    return this.#client;
  }

  inForce(instance: string): InForce | undefined {
    return this.#inForce.get(instance);
  }

  /** The directory tells of instances that no process holds: it is the process's own, but root may read it. */
  async known(): Promise<readonly string[]> {
    return [...new Set([...this.#inForce.keys(), ...(await namesIn(this.place.authorities))])].sort();
  }

  async put(policy: Policy, revision: string): Promise<InForce> {
    const { instance } = policy;
    const wanted = this.#wanted.want(policy, revision);
    const client = await this.#reached();
    const before = this.#inForce.get(instance);
    if (before?.revision === revision) return before;
    const after = await this.#wanted.putInto(client, wanted);
    // A policy that was put into a process which died since is in force nowhere.
    if (this.#client === client) this.#inForce.set(instance, after);
    return after;
  }

  async remove(instance: string, forget: boolean): Promise<void> {
    this.#wanted.forget(instance);
    await this.#attempt;
    if (this.#isResting) {
      if (forget) await removeCa(this.place.authorities, instance);
      return;
    }
    await this.client().removePolicy(instance, forget);
    this.#inForce.delete(instance);
    if (this.#isIdle()) await this.#attemptTo(() => this.#endProcess());
  }

  begin(): Promise<void> {
    return this.#attemptTo(() => this.#tryOnce());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#attempt;
    this.#client?.end();
    this.#client = undefined;
  }

  /** The living process; one is started where there is none. Throws `ProxyUnavailable` while that fails. */
  async #reached(): Promise<ControlClient> {
    while (this.#client === undefined) {
      if (this.#isResting) void this.begin();
      await this.#attempt;
      // An attempt that ended a process may have been under way: then it rests, and one is started.
      if (!this.#isResting) return this.client();
    }
    return this.#client;
  }

  #attemptTo(work: () => Promise<void>): Promise<void> {
    this.#isResting = false;
    this.#attempt = work().catch((error: unknown) => {
      this.#client?.end();
      this.#client = undefined;
      this.#failed(error);
    });
    return this.#attempt;
  }

  async #tryOnce(): Promise<void> {
    const client = await this.#reach();
    if (client === undefined) {
      this.#rest();
      return;
    }
    this.#client = client;
    await this.#bringUpToDate(client);
    void client.ended.then(() => {
      this.#lost(client);
    });
    this.#problem = undefined;
    this.#retryMs = FIRST_RETRY_MS;
    this.#again(HEARTBEAT_MS, () => this.#beat(client));
    // Left by a controller that died between its last removal and this.
    if (this.#isIdle()) await this.#endProcess();
  }

  /** A process that lives and does not answer is ended: its guests are cut off already. */
  async #reach(): Promise<ControlClient | undefined> {
    const { bootId, log, outside = NOTHING_SAID } = this.#options;
    if (!(await wasTold(this.place, outside))) await endEgress(this.place, bootId);
    const found = await findEgress(this.place, bootId);
    if (found !== undefined) {
      const client = await connectControl(this.place.socket).catch(() => undefined);
      const pid = await client?.ping(HEARTBEAT_WITHIN_MS).catch(() => undefined);
      if (client !== undefined && pid === found.pid) return client;
      client?.end();
      log.warn({ pid: found.pid }, 'the egress process does not answer and is ended');
      await killEgress(found, bootId);
    }
    if (this.#wanted.size === 0) return undefined;
    const started = await startEgress(this.place, bootId, outside);
    log.info({ pid: started.pid }, 'egress process started');
    return connectControl(this.place.socket);
  }

  #isIdle(): boolean {
    return this.#wanted.size === 0 && this.#inForce.size === 0;
  }

  async #endProcess(): Promise<void> {
    this.#client?.end();
    this.#client = undefined;
    await endEgress(this.place, this.#options.bootId);
    this.#options.log.info('egress process ended: no instance is mediated');
    this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#problem = undefined;
    this.#retryMs = FIRST_RETRY_MS;
    this.#isResting = true;
  }

  /** What an earlier controller put stands until it is replaced or removed: guests are not disturbed. */
  async #bringUpToDate(client: ControlClient): Promise<void> {
    await client.takeControl();
    const { inForce } = await client.list();
    for (const one of inForce) this.#inForce.set(one.instance, one);
    for (const wanted of this.#wanted.all())
      if (this.#inForce.get(wanted.policy.instance)?.revision !== wanted.revision)
        await this.#putAgain(client, wanted);
    for (const { instance } of inForce) this.#options.onChange(instance);
  }

  /** One that fails is left to the loop, which is told: the others must not wait for it. */
  async #putAgain(client: ControlClient, wanted: WantedPolicy): Promise<void> {
    const { instance } = wanted.policy;
    try {
      this.#inForce.set(instance, await this.#wanted.putInto(client, wanted));
    } catch (error) {
      if (!(error instanceof HypemanError) || error.reason === 'ProxyUnavailable') throw error;
      this.#options.log.warn({ instance, err: error }, 'a policy could not be put again');
    }
    this.#options.onChange(instance);
  }

  async #beat(client: ControlClient): Promise<void> {
    // A late answer ends the conversation, and `#lost` does the rest.
    await client.ping(HEARTBEAT_WITHIN_MS).catch(() => undefined);
    await boundLog(this.place.log, LONGEST_LOG).catch(() => undefined);
    if (this.#client === client) this.#again(HEARTBEAT_MS, () => this.#beat(client));
  }

  #lost(client: ControlClient): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = undefined;
    this.#failed(unavailable('its connection ended'));
  }

  #failed(error: unknown): void {
    this.#problem = error instanceof HypemanError ? error.message : 'an unexpected error';
    this.#options.log.warn({ err: error }, 'egress process unavailable');
    const before = [...this.#inForce.keys()];
    this.#inForce.clear();
    for (const instance of before) this.#options.onChange(instance);
    this.#again(this.#retryMs, () => this.begin());
    this.#retryMs = Math.min(this.#retryMs * 2, SLOWEST_RETRY_MS);
  }

  #again(ms: number, work: () => Promise<void>): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      void work();
    }, ms);
    this.#timer.unref();
  }
}
