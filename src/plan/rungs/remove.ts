import type { Rung } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import type { KnownWorld } from '../world.ts';
import { proxyAway } from './policy.ts';
import { beginStop } from './stop.ts';

export const machineStopped: Rung<KnownWorld> = (world) =>
  world.machine.state === 'absent' && world.standby.state === 'absent' ? met : beginStop(world, 'Deleted');

/**
 * The record goes last: as long as it is there, there is somebody to clean up. The proxy is asked to forget the
 * instance in the same breath, since nothing tells from outside whether it still has its CA.
 */
export const forgotten: Rung<KnownWorld> = (world) => {
  const { key, identity } = world.record;
  const forget = { kind: 'forget-instance', key, identity } as const;
  const message = 'the last files are being removed';
  if (!mayBeKnownToProxy(world)) return unmet('Deleting', message, forget);
  const { problem } = world.egress;
  if (problem !== undefined) return proxyAway(problem);
  const removal = { kind: 'remove-policy', id: identity.id, forget: true } as const;
  return unmet('Deleting', message, removal, forget);
};

/** Before it is first given a policy, that is noted. */
function mayBeKnownToProxy({ record, egress }: KnownWorld): boolean {
  return record.credentials !== undefined || egress.policy.state === 'in-force';
}
