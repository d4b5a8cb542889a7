import type { Authority } from '../machine/egress.ts';
import { heldPolicy, policyWanted } from './mediation.ts';
import type { RecordedWorld } from './world.ts';

/** Whether the guest that runs trusts the CA of its proxy, by init's own words. */
export type Trust =
  /** Nothing is intercepted, or the guest does not speak now: nothing is held against it. */
  | { readonly is: 'fine' }
  | { readonly is: 'due'; readonly authority: Authority }
  /** Asking again would bring the same answer: the next start, or another CA, may bring another. */
  | { readonly is: 'impossible'; readonly reason: string; readonly message: string };

export function trustOf(world: RecordedWorld): Trust {
  const { guest } = world;
  const held = heldPolicy(world);
  const policy = policyWanted(world);
  if (guest.state !== 'started' || held === undefined || policy === undefined || policy.mode === 'offered')
    return { is: 'fine' };
  const { trust } = guest;
  if (trust === undefined) return { is: 'impossible', ...NEVER_TOLD };
  if (trust.state === 'none' || trust.fingerprint !== held.authority.fingerprint)
    return { is: 'due', authority: held.authority };
  if (trust.state === 'installed') return { is: 'fine' };
  const message = `the guest could not install the CA of its egress proxy: ${trust.message}`;
  return { is: 'impossible', reason: 'TrustFailed', message };
}

const NEVER_TOLD = {
  reason: 'TrustFailed',
  message:
    'the guest was started by an earlier version, which cannot install the CA of the egress proxy: restart it',
};
