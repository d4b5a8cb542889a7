import type { Hypervisor } from '../../machine/machine.ts';
import { HOST_MENDED_MS } from '../patience.ts';
import type { Rung, Verdict } from '../verdict.ts';
import { met, stuck, waiting } from '../verdict.ts';
import { hypervisorOfMachine, hypervisorWanted } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';

export const toolsPresent: Rung<RecordedWorld> = ({ host }) => {
  if (host.missingTools.length === 0) return met;
  const each = host.missingTools.map(({ tool, fix }) => `${tool} (${fix})`);
  return waiting('ToolMissing', `this host lacks ${each.join(', ')}`, HOST_MENDED_MS);
};

export const driverAvailable: Rung<RecordedWorld> = (world) => availableHere(world, hypervisorWanted(world));

/** Only the hypervisor that runs it can suspend it, and let it go on. */
export const ownDriverAvailable: Rung<RecordedWorld> = (world) =>
  availableHere(world, hypervisorOfMachine(world));

function availableHere(world: RecordedWorld, hypervisor: Hypervisor): Verdict {
  const facts = world.host.drivers[hypervisor];
  if (facts === undefined)
    return stuck(
      'HypervisorUnavailable',
      `this host has no driver for ${hypervisor}: choose another spec.hypervisor`,
    );
  if (facts.problem === undefined) return met;
  return waiting('HostNotReady', `${hypervisor} cannot be used here: ${facts.problem}`, HOST_MENDED_MS);
}

export const kernelPresent: Rung<RecordedWorld> = ({ host }) =>
  host.kernel.state === 'ready' ? met : waiting('HostNotReady', host.kernel.problem, HOST_MENDED_MS);
