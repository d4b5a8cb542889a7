import { heldPolicy, isSameMediation, mediationWanted } from '../mediation.ts';
import { isRecorded } from '../known.ts';
import { mayRun } from '../suspended.ts';
import { trustOf } from '../trust.ts';
import { isNetworked } from '../wishes.ts';
import type { RecordedWorld, World } from '../world.ts';
import type { Claim } from './claim.ts';
import { claim } from './claim.ts';

/** True: nothing leaves but as declared, and what is intercepted is trusted. Said while mediation is declared. */
export function egressClaims(world: World): readonly Claim[] {
  const { desired } = world;
  if (desired.is === 'held' && world.egress.policy.state === 'in-force')
    return [claim('EgressEnforced', 'Unknown', desired.refused.reason, desired.refused.message)];
  if (desired.is !== 'wanted' || !desired.instance.spec.network.egress.enabled) return [];
  const { problem } = world.egress;
  if (problem !== undefined && desired.instance.spec.state === 'Running') return [without(problem)];
  return [isRecorded(world) && mayRun(world) ? claimFor(world) : notRunning];
}

const notRunning = claim(
  'EgressEnforced',
  'Unknown',
  'NotRunning',
  'nothing runs; mediation is put in place before anything does',
);

function claimFor(world: RecordedWorld): Claim {
  if (!isNetworked(world))
    return claim('EgressEnforced', 'True', 'NoNetwork', 'the guest has no network until its next restart');
  const { guard } = world.network;
  if (guard.state === 'open' || guard.mediation === undefined)
    return not('NotGuarded', 'the rules that lead what is sent to the proxy are not in place');
  if (heldPolicy(world) === undefined)
    return not('Pending', 'the proxy has no policy for this guest yet: what needs one is refused');
  if (!isSameMediation(guard.mediation, mediationWanted(world)))
    return not('Pending', 'the rules that lead what is sent to the proxy are being changed');
  const trust = trustOf(world);
  if (trust.is === 'impossible') return not(trust.reason, trust.message);
  if (trust.is === 'due') return not('Pending', 'the guest does not trust the CA of its egress proxy yet');
  const { mode } = world.desired.instance.spec.network.egress;
  return claim('EgressEnforced', 'True', 'Enforced', `what is sent is mediated, mode ${mode}`);
}

function without(problem: string): Claim {
  return not('ProxyUnavailable', `what should pass the egress proxy is refused: ${problem}`);
}

function not(reason: string, message: string): Claim {
  return claim('EgressEnforced', 'False', reason, message);
}
