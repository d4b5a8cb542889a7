import type { Mediation } from '../../machine/egress.ts';
import { EGRESS_FIELD, NETWORK_FIELD } from '../fields.ts';
import { heldPolicy, isSameMediation } from '../mediation.ts';
import { fieldsOfOpenRun } from '../policy-for.ts';
import type { Rung } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';

/**
 * Nobody can say what is declared now, so a guest that runs stays as it is: its rules are brought back when they
 * are lost, and lead to its proxy when that has other ports. How tight they were is not known then: all the way.
 */
export const keptGuarded: Rung<KnownWorld> = (world) => {
  const { network, machine, record } = world;
  const isUp = machine.state !== 'absent' && machine.state !== 'created';
  const isNetworked = fieldsOfOpenRun(record)?.[NETWORK_FIELD] === 'true';
  if (!isUp || !isNetworked || network.tap.state === 'absent') return met;
  const mediation = mediationKept(world);
  if (network.guard.state === 'guarded' && isSameMediation(network.guard.mediation, mediation)) return met;
  return unmet('Preparing', 'the rules of the network are being brought back', {
    kind: 'guard-tap',
    identity: record.identity,
    ...(mediation === undefined ? {} : { mediation }),
  });
};

function mediationKept(world: KnownWorld): Mediation | undefined {
  const { guard } = world.network;
  const held = heldPolicy(world);
  const ports = held === undefined ? {} : { ports: held.ports };
  if (guard.state === 'guarded') return guard.mediation && { mode: guard.mediation.mode, ...ports };
  const { record } = world;
  // By the proxy, by its start, or by the note that goes before every policy: it may have been switched on since.
  const wasMediated =
    held !== undefined ||
    fieldsOfOpenRun(record)?.[EGRESS_FIELD] === 'true' ||
    record.credentials !== undefined;
  return wasMediated ? { mode: 'all', ...ports } : undefined;
}
