import type { EgressState, Mediation, PolicyShape } from '../machine/egress.ts';
import { fieldsOfOpenRun, policyFor } from './policy-for.ts';
import { isNetworked } from './wishes.ts';
import type { RecordedWorld, World } from './world.ts';

/** How what a guest sends is mediated: as wanted, and as it is. */

export type HeldPolicy = Extract<EgressState['policy'], { state: 'in-force' }>;

/** What the proxy should hold for the guest that runs, or for the next start; undefined without mediation. */
export function policyWanted(world: RecordedWorld): PolicyShape | undefined {
  if (!isNetworked(world)) return undefined;
  const { record, desired } = world;
  return policyFor(desired.instance, {
    key: record.key,
    identity: record.identity,
    generation: desired.generation,
    running: fieldsOfOpenRun(record),
  });
}

/** What it does hold. A proxy that cannot be reached holds nothing that counts. */
export function heldPolicy({ egress }: World): HeldPolicy | undefined {
  return egress.problem === undefined && egress.policy.state === 'in-force' ? egress.policy : undefined;
}

/** It holds what is wanted, values included as far as they are there. */
export function isPolicyCurrent(world: RecordedWorld): boolean {
  const { credentials } = world.desired;
  return credentials.is !== 'none' && heldPolicy(world)?.revision === credentials.revision;
}

/** How the guard should send this guest to the proxy, given the proxy that there is. */
export function mediationWanted(world: RecordedWorld): Mediation | undefined {
  const policy = policyWanted(world);
  if (policy === undefined) return undefined;
  const held = heldPolicy(world);
  return { mode: policy.mode, ...(held === undefined ? {} : { ports: held.ports }) };
}

export function isSameMediation(one: Mediation | undefined, other: Mediation | undefined): boolean {
  return textOf(one) === textOf(other);
}

function textOf(mediation: Mediation | undefined): string {
  if (mediation === undefined) return '';
  const { mode, ports } = mediation;
  return JSON.stringify([mode, ports && [ports.explicit, ports.tls, ports.http, ports.dns]]);
}
