import { heldPolicy, isPolicyCurrent, policyWanted } from '../mediation.ts';
import { PROXY_BACK_MS } from '../patience.ts';
import { withCredentials } from '../records.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, unmet, waiting } from '../verdict.ts';
import type { RecordedWorld } from '../world.ts';
import { PREPARING } from './overlay.ts';

export const proxyReachable: Rung<RecordedWorld> = (world) => {
  const { problem } = world.egress;
  return policyWanted(world) === undefined || problem === undefined ? met : proxyAway(problem);
};

export function proxyAway(problem: string): Verdict {
  return waiting('ProxyUnavailable', `the egress proxy cannot be reached: ${problem}`, PROXY_BACK_MS);
}

/**
 * The proxy holds what is wanted. What is not declared any more ends at once, whatever else is missing. That it was
 * ever given a policy is on record before it is, so that a removal knows whom to ask for it.
 */
export const policyPut: Rung<RecordedWorld> = (world) => {
  const policy = policyWanted(world);
  const { credentials } = world.desired;
  if (policy === undefined || credentials.is === 'none' || isPolicyCurrent(world)) return met;
  if (world.egress.problem !== undefined) return met;
  const put = { kind: 'put-policy', policy, revision: credentials.revision } as const;
  if (world.record.credentials !== undefined) return unmet('Preparing', PREPARING, put);
  const noted = withCredentials(world.record, {}, world.now);
  return unmet('Preparing', PREPARING, { kind: 'write-record', record: noted }, put);
};

/** Without mediation the proxy keeps nothing of an instance but its CA. */
export const policyDropped: Rung<RecordedWorld> = (world) =>
  policyWanted(world) === undefined ? dropped(world) : met;

/**
 * Who does not run, and is not about to, has no policy: neither a value that is out of date nor a listener
 * stays in the proxy for it. The next start gets what is declared by then.
 */
export function holdingNoPolicy(rung: Rung<RecordedWorld>): Rung<RecordedWorld> {
  return (world) => {
    const verdict = rung(world);
    if (world.machine.state !== 'absent' || verdict.is === 'met' || verdict.is === 'unmet') return verdict;
    const drop = dropped(world);
    return drop.is === 'met' ? verdict : drop;
  };
}

function dropped(world: RecordedWorld): Verdict {
  if (heldPolicy(world) === undefined) return met;
  const { id } = world.record.identity;
  const message = 'the egress policy is taken out of force';
  return unmet('Preparing', message, { kind: 'remove-policy', id, forget: false });
}
