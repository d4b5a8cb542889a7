import fc from 'fast-check';
import type { HostFacts } from '../../src/plan/world.ts';
import { HOST } from './worlds.ts';

/** A host in order, or one that lacks something. */
export const anyHost: fc.Arbitrary<HostFacts> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(HOST) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<HostFacts>(
      { ...HOST, kernel: { state: 'missing', problem: 'no kernel: run hypeman-controller setup' } },
      { ...HOST, missingTools: [{ tool: 'nft', fix: 'apt install nftables' }] },
      { ...HOST, drivers: { qemu: { problem: 'qemu-system-x86_64 is missing' } } },
      { ...HOST, drivers: {} },
    ),
  },
);
