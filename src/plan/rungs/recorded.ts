import { newRecord } from '../records.ts';
import type { Verdict } from '../verdict.ts';
import { met, unmet, waiting } from '../verdict.ts';
import type { WantedWorld } from '../world.ts';

/** The record comes before everything that it will have to account for. */
export function recorded(world: WantedWorld): Verdict {
  if (world.record !== 'absent') return met;
  const record = newRecord(world);
  if (record === undefined) return waiting('Creating', 'the instance has no address and id yet', 1_000);
  return unmet('Creating', 'the instance is being recorded', { kind: 'write-record', record });
}
