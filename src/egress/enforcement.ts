import type { AuditTrail, Roster } from './audit-trail.ts';
import type { OwnedAuthority } from './authority/open-authority.ts';
import type { InForce } from './egress.ts';
import { lackingIn, withKeptValues } from './kept-values.ts';
import type { OwnedPolicies } from './policies.ts';
import type { ListenerPorts } from '../machine/egress.ts';
import type { Policy } from './policy.ts';
import type { Listed } from './control/words.ts';

/** The listeners of all instances. */
export type Proxy = {
  /**
   * Binds the instance's listeners on its gateway; the ports stay the same for as long as they are bound.
   * Again for the same addresses, it changes nothing and returns the same ports.
   */
  listen(policy: Policy): Promise<ListenerPorts>;
  /** Closes the instance's listeners and everything that came through them. Absent is dropped already. */
  drop(instance: string): Promise<void>;
  close(): Promise<void>;
};

export type EnforcementParts = {
  readonly policies: OwnedPolicies;
  readonly authority: OwnedAuthority;
  readonly trail: AuditTrail;
  readonly proxy: Proxy;
};

type Standing = Pick<InForce, 'revision' | 'ports' | 'certificate'>;

/**
 * Puts policies in force and takes them away, one change at a time. A change that fails leaves in force
 * what was: listeners and certificate come first, the swap last, and without a policy a listener
 * lets nothing through.
 */
export class Enforcement {
  readonly #parts: EnforcementParts;
  readonly #standing = new Map<string, Standing>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: EnforcementParts) {
    this.#parts = parts;
  }

  put(policy: Policy, revision: string): Promise<InForce> {
    return this.#inTurn(async () => {
      const { authority, proxy, policies, trail } = this.#parts;
      const certificate = await authority.open(policy.instance);
      const ports = await proxy.listen(policy);
      trail.open(policy.instance, policy.key, rosterOf(policy));
      const whole = withKeptValues(policy, policies.of(policy.instance));
      policies.swap(whole);
      const standing = { revision, ports, certificate };
      this.#standing.set(policy.instance, standing);
      return inForceOf(whole, standing);
    });
  }

  remove(instance: string, forget: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const { authority, proxy, policies, trail } = this.#parts;
      policies.remove(instance);
      this.#standing.delete(instance);
      await proxy.drop(instance);
      authority.close(instance);
      if (!forget) return;
      trail.forget(instance);
      await authority.forget(instance);
    });
  }

  async list(): Promise<Listed> {
    const inForce = this.#parts.policies.all().flatMap((policy) => {
      const standing = this.#standing.get(policy.instance);
      return standing === undefined ? [] : [inForceOf(policy, standing)];
    });
    return { inForce, kept: await this.#parts.authority.kept() };
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work, work);
    this.#last = mine;
    return mine;
  }
}

/** A credential with one rule for every destination has every destination. */
function rosterOf({ grants }: Policy): Roster {
  const roster = new Map<string, readonly string[]>();
  for (const { credential, hosts } of grants) {
    const known = roster.get(credential) ?? hosts;
    const isEverywhere = known.length === 0 || hosts.length === 0;
    roster.set(credential, isEverywhere ? [] : [...new Set([...known, ...hosts])]);
  }
  return roster;
}

function inForceOf(policy: Policy, standing: Standing): InForce {
  const { instance, key, generation } = policy;
  return { instance, key, generation, lacking: lackingIn(policy), ...standing };
}
