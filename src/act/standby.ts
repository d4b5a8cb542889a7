import { randomBytes } from 'node:crypto';
import { HypemanError } from '../errors.ts';
import type { MemoryKeeper, RestoreFrom } from '../machine/driver.ts';
import type { InstanceId } from '../machine/ids.ts';
import type { Hypervisor } from '../machine/machine.ts';
import type { Action } from '../plan/action.ts';
import { WAY_OUT } from '../plan/rungs/restore.ts';
import type { Hands } from './hands.ts';

/** Into standby and out of it. */

/** As much as the kernel's own pool holds (drivers/char/random.c, BLAKE2s), twice. */
const ENTROPY_BYTES = 64;

/** What the guest said before is no word of the one that goes on. */
export async function suspendMachine(
  hands: Hands,
  { hypervisor, machine }: Extract<Action, { kind: 'suspend-machine' }>,
  signal: AbortSignal,
): Promise<void> {
  await keeperOf(hands, hypervisor).suspend(machine, signal);
  hands.links.drop(machine.id);
}

/** Throws `RestoreFailed`: `invalid` when the memory itself is the reason, because time mends nothing then. */
export async function restoreMachine(
  hands: Hands,
  { hypervisor, machine, base }: Extract<Action, { kind: 'restore-machine' }>,
  signal: AbortSignal,
): Promise<void> {
  const from: RestoreFrom =
    base === undefined ? { kind: 'standby' } : { kind: 'base', base: hands.snapshots.basePaths(base) };
  hands.links.drop(machine.id);
  try {
    await keeperOf(hands, hypervisor).restore(machine, from, signal);
  } catch (error) {
    if (!(error instanceof HypemanError) || error.fate === 'bug') throw error;
    const fate = error.reason === 'SnapshotUnusable' ? 'invalid' : error.fate;
    throw new HypemanError(fate, 'RestoreFailed', `${error.message}; ${WAY_OUT}`, { cause: error });
  }
}

/** Throws `GuestUnreachable` when nobody listened: what it was not told must not go on record as told. */
export function refreshGuest({ links }: Pick<Hands, 'links'>, id: InstanceId): void {
  const isTold = links.setClock(id, Date.now()) && links.reseed(id, randomBytes(ENTROPY_BYTES));
  if (isTold) return;
  throw new HypemanError(
    'transient',
    'GuestUnreachable',
    'the guest does not answer (yet): the time and entropy are told to it as soon as it does',
  );
}

/** Throws `HypervisorUnavailable`. */
export function keeperOf(hands: Hands, hypervisor: Hypervisor): MemoryKeeper {
  const keeper = hands.drivers[hypervisor]?.memory;
  if (keeper !== undefined) return keeper;
  throw new HypemanError(
    'transient',
    'HypervisorUnavailable',
    `this host has no driver for ${hypervisor} that keeps memories`,
  );
}
