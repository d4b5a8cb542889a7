import { HypemanError, unreachable } from '../errors.ts';
import { removeTree } from '../host/files.ts';
import type { InstanceId } from '../machine/ids.ts';
import type { Driver, MachineRef } from '../machine/driver.ts';
import type { Hypervisor } from '../machine/machine.ts';
import { pathsFor } from '../machine/paths.ts';
import type { Action } from '../plan/action.ts';
import type { Hands } from './hands.ts';
import { cloneDisks, freezeDisks, freezeMachine, identifyGuest, keepInheritance } from './fork.ts';
import { createVolume, pullImage } from './pull-image.ts';
import { putPolicy } from './put-policy.ts';
import { refreshGuest, restoreMachine, suspendMachine } from './standby.ts';
import { handOverVolumes } from './hand-over-volumes.ts';
import { writeBoot } from './write-boot.ts';

/** Performs one action. Every one may be repeated; none waits for something slow. */
export type Act = (action: Action, signal: AbortSignal) => Promise<void>;

export function openAct(hands: Hands): Act {
  return (action, signal) => perform(hands, action, signal);
}

// eslint-disable-next-line complexity, max-lines-per-function -- one line per kind of action: a table, not a decision
async function perform(hands: Hands, action: Action, signal: AbortSignal): Promise<void> {
  switch (action.kind) {
    case 'write-record':
      return hands.volumes.claim(action.record, () => hands.storage.writeRecord(action.record));
    case 'pull-image':
      return pullImage(hands, action);
    case 'create-overlay':
      return hands.storage.createOverlay(action.id, action.bytes, action.owner);
    case 'grow-overlay':
      return hands.storage.growOverlay(action.id, action.bytes);
    case 'remove-overlay':
      return hands.storage.removeOverlay(action.id);
    case 'create-volume':
      return createVolume(hands, action);
    case 'grow-volume':
      return hands.volumes.grow(action.volume, action.bytes);
    case 'fit-volume-layer':
      return hands.volumes.fitLayer({ ...action, instance: action.id });
    case 'create-tap':
      return hands.network.createTap(action.identity);
    case 'guard-tap':
      return hands.network.guardTap(action.identity, action.mediation);
    case 'shape-tap':
      return hands.network.shapeTap(action.identity, action.shaping);
    case 'remove-network':
      return hands.network.remove(action.identity);
    case 'write-boot':
      return writeBoot(hands, action);
    case 'start-machine':
      return startMachine(hands, action, signal);
    case 'grow-memory':
      return growMemory(hands, action, signal);
    case 'throttle-disks':
      return throttleDisks(hands, action, signal);
    case 'suspend-machine':
      return suspendMachine(hands, action, signal);
    case 'settle-standby':
      return action.base === undefined
        ? hands.snapshots.settleStandby(action.id)
        : hands.snapshots.settleBase(action.base);
    case 'restore-machine':
      return restoreMachine(hands, action, signal);
    case 'discard-standby':
      return hands.snapshots.discardStandby(action.id);
    case 'refresh-guest':
      refreshGuest(hands, action.id);
      return;
    case 'keep-inheritance':
      return keepInheritance(hands, action);
    case 'hold-guest':
      hands.links.hold(action.id);
      return;
    case 'release-guest':
      hands.links.release(action.id);
      return;
    case 'freeze-machine':
      return freezeMachine(hands, action, signal);
    case 'freeze-disks':
      return freezeDisks(hands, action);
    case 'clone-disks':
      return cloneDisks(hands, action);
    case 'identify-guest':
      identifyGuest(hands, action);
      return;
    case 'request-shutdown':
      return requestShutdown(hands, action, signal);
    case 'put-policy':
      return putPolicy(hands, action);
    case 'remove-policy':
      return hands.egress.remove(action.id, { forget: action.forget });
    case 'trust-authority':
      hands.links.trustAuthority(action.id, action.authority);
      return;
    case 'acknowledge-exit':
      hands.links.acknowledgeExit(action.id);
      return;
    case 'kill-machine':
      return killMachine(hands, action, signal);
    case 'forget-instance':
      return forgetInstance(hands, action);
    default:
      return unreachable(action);
  }
}

type OnMachine = { readonly id: InstanceId; readonly hypervisor: Hypervisor };

/** What the guest of an earlier run said must not be taken for this one's words. */
async function startMachine(
  hands: Hands,
  { hypervisor, machine }: Extract<Action, { kind: 'start-machine' }>,
  signal: AbortSignal,
): Promise<void> {
  hands.links.drop(machine.id);
  await handOverVolumes(hands, machine);
  await driverOf(hands, hypervisor).start(machine, signal);
}

async function growMemory(
  hands: Hands,
  { hypervisor, machine, bytes }: Extract<Action, { kind: 'grow-memory' }>,
  signal: AbortSignal,
): Promise<void> {
  const driver = driverOf(hands, hypervisor);
  if (driver.growMemory !== undefined) return driver.growMemory(machine, bytes, signal);
  throw new HypemanError(
    'transient',
    'HypervisorUnavailable',
    `this host has no driver for ${hypervisor} that adds memory to a machine that runs`,
  );
}

async function throttleDisks(
  hands: Hands,
  { id, hypervisor, bytesPerSecond }: Extract<Action, { kind: 'throttle-disks' }>,
  signal: AbortSignal,
): Promise<void> {
  const driver = driverOf(hands, hypervisor);
  if (driver.throttleDisks !== undefined)
    return driver.throttleDisks(refOf(hands, id), bytesPerSecond, signal);
  throw new HypemanError(
    'transient',
    'HypervisorUnavailable',
    `this host has no driver for ${hypervisor} that limits the disks of a machine that runs`,
  );
}

/** Both ways at once: init ends the program, and a guest without a living init hears the button. */
async function requestShutdown(
  hands: Hands,
  { id, hypervisor, graceMs }: OnMachine & { readonly graceMs: number },
  signal: AbortSignal,
): Promise<void> {
  hands.links.shutdown(id, graceMs);
  await driverOf(hands, hypervisor).pressPowerButton(refOf(hands, id), signal);
}

async function killMachine(hands: Hands, { id, hypervisor }: OnMachine, signal: AbortSignal): Promise<void> {
  await driverOf(hands, hypervisor).kill(refOf(hands, id), signal);
  hands.links.drop(id);
}

async function forgetInstance(
  hands: Hands,
  { key, identity }: Extract<Action, { kind: 'forget-instance' }>,
): Promise<void> {
  hands.links.drop(identity.id);
  await removeTree(pathsFor(hands.roots, identity.id).runDirectory);
  await hands.storage.forget(key, identity.id);
  hands.addresses.release(key);
  hands.forkTroubles.delete(key);
}

function refOf(hands: Hands, id: InstanceId): MachineRef {
  return { id, paths: pathsFor(hands.roots, id) };
}

function driverOf(hands: Hands, hypervisor: Hypervisor): Driver {
  const driver = hands.drivers[hypervisor];
  if (driver !== undefined) return driver;
  throw new HypemanError(
    'transient',
    'HypervisorUnavailable',
    `this host has no driver for ${hypervisor}; choose another spec.hypervisor or another host`,
  );
}
