import { quantityText } from '../../api/quantity.ts';
import type { Action } from '../action.ts';
import { hasRun, machineApplied } from '../machine-for.ts';
import { growthOf, memoryInEffect } from '../memory.ts';
import { withMemory } from '../records.ts';
import type { Rung } from '../verdict.ts';
import { firstUnmet, met, stuck, unmet } from '../verdict.ts';
import { hypervisorOfMachine, hypervisorWanted } from '../wishes.ts';
import type { RecordedWorld } from '../world.ts';
import { ownDriverAvailable } from './host-ready.ts';

/** Memory can be added later only where the hypervisor is able to. */
export const hotplugAvailable: Rung<RecordedWorld> = (world) => {
  const hypervisor = hypervisorWanted(world);
  const { abilities } = world.host.drivers[hypervisor] ?? {};
  if (world.desired.instance.spec.hotplugBytes === 0 || abilities?.memoryHotplug === true) return met;
  return stuck(
    'HotplugUnavailable',
    `${hypervisor} cannot add memory to a machine that runs: remove spec.hotplugSize, and make spec.size larger`,
  );
};

/**
 * Live: a raise within what the machine was started with room for. On record first, so that a machine that is gone
 * after that is not taken for one whose size was edited. What was not plugged after all goes from the record again.
 */
export const memoryGrown: Rung<RecordedWorld> = (world) => {
  if (!hasRun(world) || world.machine.state !== 'running') return met;
  const { record } = world;
  const { run } = record;
  const growth = growthOf(world);
  const bytes = growth.is === 'due' ? growth.bytes : memoryInEffect(world, run);
  const isNoted = bytes === (run.memoryBytes ?? Number(run.applied.fields.size));
  const note: Action = { kind: 'write-record', record: withMemory(record, run, bytes) };
  if (growth.is !== 'due') return isNoted ? met : unmet('Growing', 'its memory is being written down', note);
  const obstacle = firstUnmet([ownDriverAvailable], world);
  if (obstacle.is !== 'met') return obstacle;
  const grow: Action = {
    kind: 'grow-memory',
    hypervisor: hypervisorOfMachine(world),
    machine: machineApplied(world),
    bytes,
  };
  const message = `memory is being added to the guest, which runs on: ${quantityText('size', bytes)} in all`;
  return isNoted ? unmet('Growing', message, grow) : unmet('Growing', message, note, grow);
};
