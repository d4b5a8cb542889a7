import type { Mediation } from '../../machine/egress.ts';
import { EGRESS_FIELD, NETWORK_FIELD } from '../fields.ts';
import { heldPolicy } from '../mediation.ts';
import { fieldsOfOpenRun } from '../policy-for.ts';
import { mayRun } from '../suspended.ts';
import type { Rung } from '../verdict.ts';
import { met } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';
import { isCutOff } from '../wishes.ts';
import { CLOSED, guardedAs } from './network.ts';

/**
 * Nobody can say what is declared now, so a guest that runs stays as it is: its rules are brought back when they
 * are lost, and lead to its proxy when that has other ports. How tight they were is not known then: all the way.
 */
export const keptGuarded: Rung<KnownWorld> = (world) => {
  const { network, record } = world;
  const isNetworked = fieldsOfOpenRun(record)?.[NETWORK_FIELD] === 'true';
  if (!mayRun(world) || network.tap.state === 'absent') return met;
  const message = 'the rules of the network are being brought back';
  if (isCutOff(world)) return guardedAs(world, CLOSED, message);
  return isNetworked ? guardedAs(world, mediationKept(world), message) : met;
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
