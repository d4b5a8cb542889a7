import type { Mediation } from '../../machine/egress.ts';
import type { NetworkState } from '../../machine/network.ts';
import { heldPolicy, isPolicyCurrent, isSameMediation, mediationWanted, policyWanted } from '../mediation.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, unmet } from '../verdict.ts';
import { isCutOff, isNetworked } from '../wishes.ts';
import type { KnownWorld, RecordedWorld } from '../world.ts';
import { PREPARING } from './overlay.ts';
import { isSuspensionDue, machineSuspended } from './standby.ts';
import { beginStop, kill } from './stop.ts';

/** An instance without a network keeps no device from the time when it had one. */
export const networkGone: Rung<RecordedWorld> = (world) =>
  world.desired.instance.spec.network.enabled ? met : networkRemoved(world);

/**
 * The VMM opens it, though nothing may come through. It is guarded in the same breath, unless there is a policy to
 * be put first: that says where the guard leads.
 */
export const tapUp: Rung<RecordedWorld> = (world) => {
  const { network, record } = world;
  if (!hasTap(world) || network.tap.state === 'up') return met;
  const guarding = isPolicyDue(world) ? met : guardWanted(world);
  const guard = guarding.is === 'unmet' ? guarding.actions : [];
  return unmet('Preparing', PREPARING, { kind: 'create-tap', identity: record.identity }, ...guard);
};

/**
 * Guarded before a vCPU runs, and mediated as wanted: a guest must never hold an open network, not for a second.
 * While there is no proxy, what it would get is refused.
 */
export const tapGuarded: Rung<RecordedWorld> = (world) => {
  if (!hasTap(world) || world.network.tap.state === 'absent') return met;
  return guardWanted(world);
};

function guardWanted(world: RecordedWorld): Verdict {
  return guardedAs(world, isCutOff(world) ? CLOSED : mediationWanted(world), PREPARING);
}

function isPolicyDue(world: RecordedWorld): boolean {
  return policyWanted(world) !== undefined && !isPolicyCurrent(world);
}

/** All is to go through a proxy, and there is none: what gets out of the VMM all the same gets no further. */
export const CLOSED: Mediation = { mode: 'all' };

function hasTap(world: RecordedWorld): boolean {
  return isNetworked(world) || isCutOff(world);
}

/** The tap is guarded, and what comes out of it mediated as given: without, not at all. */
export function guardedAs(
  { network: { guard }, record }: KnownWorld,
  mediation: Mediation | undefined,
  message: string,
): Verdict {
  if (guard.state === 'guarded' && isSameMediation(guard.mediation, mediation)) return met;
  return unmet('Preparing', message, {
    kind: 'guard-tap',
    identity: record.identity,
    ...(mediation === undefined ? {} : { mediation }),
  });
}

/**
 * Before anything else under a machine that runs: no guest is without rules, and none is sent to ports that the
 * proxy has no more, which may be those of another instance next.
 */
export const tapSafe: Rung<RecordedWorld> = (world) => {
  const { guard } = world.network;
  if (guard.state === 'open') return tapGuarded(world);
  return guard.mediation?.ports !== undefined && heldPolicy(world) === undefined ? tapGuarded(world) : met;
};

/** Live: the rates of the spec hold for a guest that runs, too. */
export const tapShaped: Rung<RecordedWorld> = (world) => {
  const { network, record } = world;
  if (!isNetworked(world)) return met;
  const { downloadBps, uploadBps } = world.desired.instance.spec.network;
  if (network.shaping.downloadBps === downloadBps && network.shaping.uploadBps === uploadBps) return met;
  const shaping = {
    ...(downloadBps === undefined ? {} : { downloadBps }),
    ...(uploadBps === undefined ? {} : { uploadBps }),
  };
  return unmet('Preparing', PREPARING, { kind: 'shape-tap', identity: record.identity, shaping });
};

/** The machine holds the device that is gone; a new one of that name would not be its own. */
export const tapKept: Rung<RecordedWorld> = (world) => {
  if (!hasTap(world) || world.network.tap.state === 'up') return met;
  // One that goes to standby comes back with a VMM of its own, which opens the new device.
  if (isSuspensionDue(world)) return machineSuspended(world);
  if (world.machine.state === 'paused' && world.standby.state === 'ready')
    return unmet(
      'Restoring',
      'the machine is restored anew, because its network device is gone',
      kill(world),
    );
  return beginStop(world, 'Restart');
};

export const networkRemoved: Rung<KnownWorld> = ({ network, record }) => {
  if (isEmpty(network)) return met;
  return unmet('Preparing', 'tap and rules are being removed', {
    kind: 'remove-network',
    identity: record.identity,
  });
};

function isEmpty({ tap, guard, shaping }: NetworkState): boolean {
  return tap.state === 'absent' && guard.state === 'open' && Object.keys(shaping).length === 0;
}
