import { HypemanError } from '../../errors.ts';
import { readSnapshot } from '../../host/snapshot-files.ts';
import type { Machine, MachineState } from '../../machine/machine.ts';
import { capture, heldMemoryOf } from './capture.ts';
import type { House } from './house.ts';

/** See `MemoryKeeper.suspend`. The standby is there before the VMM goes. */
export async function suspend(house: House, machine: Machine, signal: AbortSignal): Promise<void> {
  const { vmms, bootId } = house;
  const seen = await vmms.look(machine);
  const standby = await readSnapshot(machine.paths.standby, bootId);
  if (standby.state === 'ready') {
    if (seen.state !== 'absent') await vmms.end(machine);
    return;
  }
  refuseUnless(seen, machine);
  const memory = await heldMemoryOf(house, machine);
  await capture(house, { machine, into: machine.paths.standby, memory, isBase: false }, signal);
  await vmms.end(machine);
}

/** Only a machine that runs or is paused has a memory that is worth keeping. */
export function refuseUnless(seen: MachineState, machine: Machine): void {
  if (seen.state === 'running' || seen.state === 'paused') return;
  if (seen.state === 'unknown')
    throw new HypemanError('transient', 'MachineUnreachable', `cannot suspend ${machine.id}: ${seen.error}`);
  throw new HypemanError('transient', 'CannotSuspend', `${machine.id} does not run: it is ${seen.state}`);
}
