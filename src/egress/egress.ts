import type { InstanceCounters } from './audit-trail.ts';
import type { Decision } from './audit.ts';
import type { ListenerPorts } from '../machine/egress.ts';
import type { Policy } from './policy.ts';

/** What the process answers for when it has taken a policy. */
export type InForce = {
  readonly instance: string;
  readonly key: string;
  readonly generation: number;
  /** What `put` was given with the policy, by `revisionOf`: tells whether all of it is current. */
  readonly revision: string;
  readonly ports: ListenerPorts;
  /** Credentials that some request is refused for, because nobody knows their value. */
  readonly lacking: readonly string[];
  /** PEM of the CA that the guest has to trust. */
  readonly certificate: string;
};

/** `missed` is how many were left out because nobody read as fast as they came. */
export type Followed =
  | { readonly is: 'decision'; readonly decision: Decision }
  | { readonly is: 'missed'; readonly count: number };

/**
 * The egress process as the controller has it: started at the first policy, ended with the last, found again
 * after a restart of the controller, started anew when it died and given all policies that are known here.
 */
export type Egress = {
  /**
   * Puts a policy in force and returns when the next request meets it. What is in force with the same
   * revision already is not sent again. Throws transient `ProxyUnavailable` while there is no process;
   * the policy is remembered then and put as soon as there is one. One that the process refuses is not.
   */
  put(policy: Policy, revision: string): Promise<InForce>;
  /**
   * Takes the policy and the listeners away; `forget` removes the CA too. An absent one is removed
   * already. With the last one the process ends.
   */
  remove(instance: string, how?: { readonly forget?: boolean }): Promise<void>;
  /** What the living process holds now, by its own last word; undefined is "nothing gets through". */
  inForce(instance: string): InForce | undefined;
  /** Instances with a policy in force or a CA on disk: those nobody declares can be removed. Needs no process. */
  known(): Promise<readonly string[]>;
  counters(instance?: string): Promise<readonly InstanceCounters[]>;
  /** The last decisions of an instance, or of all, then each new one until `signal` or the end of the process. */
  decisions(options: {
    readonly instance?: string;
    readonly follow: boolean;
    readonly signal: AbortSignal;
  }): AsyncIterable<Followed>;
  /** Why there is no process to talk to; undefined while there is one, or none is needed. */
  problem(): string | undefined;
  /** Lets go of the process, which runs on. */
  close(): Promise<void>;
  /** Ends the process, and with it every policy. */
  end(): Promise<void>;
};
