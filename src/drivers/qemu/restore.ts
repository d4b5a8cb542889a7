import { HypemanError } from '../../errors.ts';
import { readSnapshot, unsettleSnapshot } from '../../host/snapshot-files.ts';
import type { RestoreFrom } from '../../machine/driver.ts';
import type { Machine } from '../../machine/machine.ts';
import type { SnapshotPaths } from '../../machine/snapshot-paths.ts';
import { mismatchOf, shapeOf } from '../../machine/snapshot.ts';
import { isFrozen } from './frozen.ts';
import { writerOf } from './house.ts';
import type { House } from './house.ts';

export type Restoring = { readonly machine: Machine; readonly from: RestoreFrom };

/** See `MemoryKeeper.restore`. */
export async function restore(
  house: House,
  { machine, from }: Restoring,
  signal: AbortSignal,
): Promise<void> {
  const { vmms, bootId } = house;
  const seen = await vmms.look(machine);
  if (seen.state === 'running') return;
  if (seen.state === 'unknown')
    throw new HypemanError('transient', 'MachineUnreachable', `cannot restore ${machine.id}: ${seen.error}`);
  // A paused one has all of its memory: a standby, or a restore, was cut short at its end.
  if (seen.state === 'paused') {
    await vmms.run(machine);
    return;
  }
  if (seen.state !== 'absent') await vmms.kill(machine);
  const snapshot = from.kind === 'base' ? from.base : machine.paths.standby;
  await refuseUnlessUsable(house, { machine, from, snapshot }, signal);
  const launching = vmms.launch(
    { machine, from: { ...snapshot, isFrozen: await isFrozen(snapshot.memory) } },
    signal,
  );
  const unsettling = from.kind === 'standby' ? unsettleSnapshot(snapshot, bootId) : Promise.resolve();
  const [launched, unsettled] = await Promise.allSettled([launching, unsettling]);
  if (launched.status === 'rejected') throw launched.reason;
  if (unsettled.status === 'rejected') {
    await vmms.end(machine);
    throw unsettled.reason;
  }
  await vmms.run(machine);
}

async function refuseUnlessUsable(
  { installation, bootId }: House,
  { machine, from, snapshot }: Restoring & { readonly snapshot: SnapshotPaths },
  signal: AbortSignal,
): Promise<void> {
  const seen = await readSnapshot(snapshot, bootId);
  if (seen.state === 'absent') throw unusable(machine, 'there is none');
  if (seen.state === 'void') throw unusable(machine, seen.why);
  if (from.kind === 'standby' && seen.manifest.source !== machine.id)
    throw unusable(machine, `it is of ${seen.manifest.source}`);
  if (seen.manifest.memory === undefined) throw unusable(machine, 'there is no memory in it');
  const facts = await installation.facts(signal);
  const mismatch = mismatchOf(seen.manifest.memory, shapeOf(machine), writerOf(facts));
  if (mismatch !== undefined) throw unusable(machine, mismatch);
}

function unusable({ id }: Machine, why: string): HypemanError {
  return new HypemanError(
    'transient',
    'SnapshotUnusable',
    `${id} cannot go on from its snapshot: ${why}; give the snapshot up to boot it instead`,
  );
}
