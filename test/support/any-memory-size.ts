import fc from 'fast-check';
import type { MachineState } from '../../src/machine/machine.ts';
import { PROCESS } from './worlds.ts';

/** How much memory is declared, is on record, and is plugged in. */

const GIB = 2 ** 30;

export const anyMemorySize = {
  // One is no whole number of sections above the others.
  memoryBytes: fc.constantFrom(GIB, GIB, 1.5 * GIB, 1.5 * GIB + 2 ** 20, 2 * GIB),
  hotplugBytes: fc.constantFrom(0, GIB / 2, GIB),
};

export const anyMemoryNote = fc.constantFrom(undefined, undefined, 1.5 * GIB);

/** A machine to which memory was added, whatever was known of that. */
export const grown: fc.Arbitrary<MachineState> = fc
  .constantFrom('running' as const, 'paused' as const)
  .map((state) => ({ state, process: PROCESS, dimms: [{ slot: 0, address: 2 ** 32, bytes: GIB / 2 }] }));
