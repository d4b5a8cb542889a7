import { performance } from 'node:perf_hooks';
import { HypemanError } from '../../errors.ts';
import { ensureDirectory, removeTree } from '../../host/files.ts';
import { commitSnapshot, openDraft, readSnapshot } from '../../host/snapshot-files.ts';
import type { FreezeOptions, Frozen } from '../../machine/driver.ts';
import { memoryParts } from '../../machine/hotplug.ts';
import type { Machine } from '../../machine/machine.ts';
import type { SnapshotPaths } from '../../machine/snapshot-paths.ts';
import { capture, heldMemoryOf, isAllPrivate } from './capture.ts';
import type { HeldMemory } from './capture.ts';
import { freezeMemory, shareFile } from './frozen.ts';
import type { House } from './house.ts';
import { restore } from './restore.ts';
import { refuseUnless } from './suspend.ts';

const RESTORED_WITHIN_MS = 60_000;

export type Freezing = FreezeOptions & { readonly machine: Machine; readonly base: SnapshotPaths };

/** See `MemoryKeeper.freeze`. */
export async function freeze(house: House, wanted: Freezing, signal: AbortSignal): Promise<Frozen> {
  const { vmms, bootId } = house;
  const { machine, base } = wanted;
  if ((await readSnapshot(base, bootId)).state === 'ready') return { pausedMs: 0 };
  const seen = await vmms.look(machine);
  if ((await readSnapshot(machine.paths.standby, bootId)).state === 'ready') {
    if (seen.state !== 'absent') await vmms.end(machine);
    await freezeStandby(house, wanted, signal);
    return { pausedMs: 0 };
  }
  refuseUnless(seen, machine);
  const memory = await heldMemoryOf(house, machine);
  const pausedAt = isAllPrivate(memory)
    ? await freezePrivate(house, { ...wanted, memory }, signal)
    : await freezeOwn(house, { ...wanted, memory }, signal);
  return { pausedMs: performance.now() - pausedAt };
}

type FreezingHeld = Freezing & { readonly memory: HeldMemory };

/** Its VMM maps a frozen memory already: the new base is that one and what it changed since. */
async function freezePrivate(house: House, wanted: FreezingHeld, signal: AbortSignal): Promise<number> {
  const { machine, base, memory, copyDisks, onReady, onPaused } = wanted;
  const into = { machine, into: base, memory, isBase: true, copyDisks, onReady, onPaused };
  const pausedAt = await capture(house, into, signal);
  await house.vmms.run(machine);
  return pausedAt;
}

/** Its VMM writes to memory that is to be frozen: it has to make room for one that does not. */
async function freezeOwn(house: House, wanted: FreezingHeld, signal: AbortSignal): Promise<number> {
  const { machine, memory, onReady, onPaused } = wanted;
  const into = { machine, into: machine.paths.standby, memory, isBase: false, onReady, onPaused };
  const pausedAt = await capture(house, into, signal);
  await house.vmms.end(machine);
  try {
    await freezeStandby(house, wanted, signal);
  } finally {
    // Whoever was only to stand still for a moment goes on, though the controller may be told to end meanwhile.
    await restore(house, { machine, from: { kind: 'standby' } }, AbortSignal.timeout(RESTORED_WITHIN_MS));
  }
  return pausedAt;
}

/** The base gets a second name of the memory; whoever goes on from the standby maps it privately, too. */
async function freezeStandby(house: House, wanted: Freezing, signal: AbortSignal): Promise<void> {
  const { machine, base, copyDisks } = wanted;
  const { standby } = machine.paths;
  const seen = await readSnapshot(standby, house.bootId);
  if (seen.state !== 'ready')
    throw new HypemanError('transient', 'SnapshotUnusable', `${machine.id} is not in standby any more`);
  const draft = await openDraft(base);
  try {
    const parts = memoryParts(seen.manifest.memory?.shape.hotplug?.dimms ?? []);
    const facts = await house.installation.facts(signal);
    await freezeMemory(standby.memory, parts, { facts, sharedGid: house.sharedGid });
    for (const part of parts) await shareFile(`${standby.memory}${part}`, `${draft.memory}${part}`);
    await shareFile(standby.deviceState, draft.deviceState);
    await ensureDirectory(draft.disks);
    await copyDisks(draft.disks);
    const words = { ...seen.manifest, createdAt: Date.now() };
    await commitSnapshot(draft, base, { words, bootId: house.bootId });
  } catch (error) {
    await removeTree(draft.directory);
    throw error;
  }
}
