import fc from 'fast-check';
import type { SnapshotState } from '../../src/machine/snapshot.ts';
import type { World } from '../../src/plan/world.ts';
import { keptMemoryOf, VOID } from './standby-worlds.ts';

/** Any memory that a run may have left; `foreign` was kept by another version of the hypervisor. */
export type Memory = 'none' | 'kept' | 'unsettled' | 'foreign' | 'void';

export const anyMemory = fc.constantFrom<Memory>('none', 'kept', 'kept', 'unsettled', 'foreign', 'void');

/** While a memory is kept, no vCPU runs. */
export function standbyIn(
  { record: seen, machine: { state } }: Pick<World, 'record' | 'machine'>,
  memory: Memory,
): SnapshotState {
  const ran = seen === 'absent' ? undefined : seen.run;
  const mayBeKept = state === 'absent' || state === 'created' || state === 'paused';
  if (ran === undefined || !mayBeKept || memory === 'none') return { state: 'absent' };
  if (memory === 'void') return VOID;
  return keptMemoryOf(ran, {
    isSettled: memory !== 'unsettled',
    ...(memory === 'foreign' ? { version: '8.2' } : {}),
  });
}
