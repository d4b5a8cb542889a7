import { performance } from 'node:perf_hooks';
import { chown } from 'node:fs/promises';
import { HypemanError } from '../../errors.ts';
import { cloneFile } from '../../host/clone-file.ts';
import { orDiskFull } from '../../host/disk-space.ts';
import { ensureDirectory, removeTree } from '../../host/files.ts';
import { copyPrivatePages, mappingsOf } from '../../host/mapped-memory.ts';
import type { FileMapping } from '../../host/mapped-memory.ts';
import { commitSnapshot, openDraft } from '../../host/snapshot-files.ts';
import type { Machine } from '../../machine/machine.ts';
import type { SnapshotPaths } from '../../machine/snapshot-paths.ts';
import { shapeOf } from '../../machine/snapshot.ts';
import { saveDevices } from './device-state.ts';
import { freezeMemory, shareFile } from './frozen.ts';
import { writerOf } from './house.ts';
import type { House } from './house.ts';
import type { Session } from './session.ts';

export type Capture = {
  readonly machine: Machine;
  readonly into: SnapshotPaths;
  readonly memory: HeldMemory;
  /** For others to run on, and not for this machine alone. */
  readonly isBase: boolean;
  readonly copyDisks?: (directory: string) => Promise<void>;
};

/** How the VMM has its RAM at this moment, by the kernel's own word. */
export type HeldMemory = {
  readonly session: Session;
  readonly mappings: readonly FileMapping[];
  readonly kind: 'own' | 'private';
};

const STOPPED_WITHIN_MS = 10_000;

/** Throws `CannotSuspend` for a machine whose RAM is no file. */
export async function heldMemoryOf({ vmms }: House, machine: Machine): Promise<HeldMemory> {
  const session = await vmms.sessionOf(machine);
  const mappings = session === undefined ? [] : await mappingsOf(session.identity.pid, machine.paths.memory);
  const [first] = mappings;
  if (session === undefined || first === undefined)
    throw new HypemanError(
      'invalid',
      'CannotSuspend',
      `the memory of ${machine.id} is not kept in a file, because it was started without: restart it first`,
    );
  return { session, mappings, kind: first.isShared ? 'own' : 'private' };
}

/**
 * Makes a snapshot of a machine and leaves it paused; returns when it was paused. What takes long is done
 * before. One that fails leaves nothing, and lets a machine that ran run on.
 */
export async function capture(house: House, wanted: Capture, signal: AbortSignal): Promise<number> {
  const facts = await house.installation.facts(signal);
  const { machine, into, memory } = wanted;
  const wasRunning = (await memory.session.state()).state === 'running';
  const draft = await openDraft(into);
  let pausedAt: number | undefined;
  try {
    return await orDiskFull(machine.paths.directory, 'keep the memory of a machine', async () => {
      if (memory.kind === 'own') await shareFile(machine.paths.memory, draft.memory);
      else await cloneFile(machine.paths.memory, draft.memory);
      signal.throwIfAborted();
      pausedAt = performance.now();
      await pause(memory.session);
      await takeState(draft, wanted);
      if (memory.kind === 'private' && !wanted.isBase)
        await chown(draft.memory, machine.owner.uid, machine.owner.gid);
      if (wanted.isBase) await freezeMemory(draft.memory, facts, house.sharedGid);
      const kept = { writer: writerOf(facts), shape: shapeOf(machine) };
      const words = { version: 1, source: machine.id, createdAt: Date.now(), memory: kept } as const;
      await commitSnapshot(draft, into, { words, bootId: house.bootId });
      return pausedAt;
    });
  } catch (error) {
    await removeTree(draft.directory);
    if (wasRunning && pausedAt !== undefined) await memory.session.execute('cont');
    throw error;
  }
}

async function takeState(draft: SnapshotPaths, { machine, memory, copyDisks }: Capture): Promise<void> {
  await saveDevices(memory.session, machine.paths, draft.deviceState);
  if (memory.kind === 'private')
    await copyPrivatePages(memory.session.identity.pid, memory.mappings, draft.memory);
  if (copyDisks === undefined) return;
  await ensureDirectory(draft.disks);
  await copyDisks(draft.disks);
}

/** Returns when no vCPU runs and what was in flight is in the disks' files. */
async function pause(session: Session): Promise<void> {
  await session.execute('stop', { withinMs: STOPPED_WITHIN_MS });
  const seen = await session.state();
  if (seen.state !== 'paused')
    throw new HypemanError('transient', 'CannotSuspend', `the machine is ${seen.state} and cannot be paused`);
}
