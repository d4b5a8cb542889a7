import { pluggedBytes } from '../../src/machine/hotplug.ts';
import type { Action } from '../../src/plan/action.ts';
import type { World } from '../../src/plan/world.ts';
import type { Law } from './egress-laws.ts';

/** What must hold of memory that is added to a machine that runs. */
export function growthLaws(
  world: World,
  { hypervisor, machine, bytes }: Extract<Action, { kind: 'grow-memory' }>,
): readonly Law[] {
  const { record, host } = world;
  const run = record === 'absent' ? undefined : record.run;
  const { hotplug, memoryBytes } = machine;
  const plugged = pluggedBytes(hotplug?.dimms ?? []);
  return [
    [world.machine.state === 'running', 'memory is added to what runs'],
    [host.drivers[hypervisor]?.abilities?.memoryHotplug === true, 'no driver is asked for what it cannot do'],
    [run?.memoryBytes === bytes, 'no memory is added that is not on record'],
    [Number(run?.applied.fields.size) === memoryBytes, 'it grows from what it was started with'],
    [bytes > memoryBytes + plugged, 'memory never shrinks under a guest'],
    [hotplug !== undefined && bytes <= memoryBytes + hotplug.bytes, 'nor grows beyond the room there is'],
    [(bytes - memoryBytes - plugged) % (128 * 1024 ** 2) === 0, 'what is added is whole sections'],
  ];
}
