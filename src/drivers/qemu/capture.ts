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
import { partsOf } from './memory-files.ts';
import type { House } from './house.ts';
import type { Session } from './session.ts';

export type Capture = {
  readonly machine: Machine;
  readonly into: SnapshotPaths;
  readonly memory: HeldMemory;
  /** For others to run on, and not for this machine alone. */
  readonly isBase: boolean;
  readonly onReady?: (() => Promise<void>) | undefined;
  readonly onPaused?: (() => void) | undefined;
  readonly copyDisks?: (directory: string) => Promise<void>;
};

/** How the VMM has its RAM at this moment, by the kernel's own word. */
export type HeldMemory = {
  readonly session: Session;
  readonly files: readonly HeldFile[];
};

/** One of its files: written to, or mapped privately because it is frozen. `part` is what its name ends with. */
type HeldFile = {
  readonly part: string;
  readonly mappings: readonly FileMapping[];
  readonly kind: 'own' | 'private';
};

const STOPPED_WITHIN_MS = 10_000;

/** Throws `CannotSuspend` for a machine whose RAM is no file, or other than `machine` says. */
export async function heldMemoryOf({ vmms }: House, machine: Machine): Promise<HeldMemory> {
  const session = await vmms.sessionOf(machine);
  const files = session === undefined ? [] : await heldFilesOf(session, machine);
  if (session === undefined || files === undefined)
    throw new HypemanError(
      'invalid',
      'CannotSuspend',
      `the memory of ${machine.id} is not kept in a file, because it was started without: restart it first`,
    );
  if (JSON.stringify(await session.dimms()) !== JSON.stringify(machine.hotplug?.dimms ?? []))
    throw new HypemanError('transient', 'CannotSuspend', `the memory of ${machine.id} has just changed`);
  return { session, files };
}

async function heldFilesOf(session: Session, machine: Machine): Promise<readonly HeldFile[] | undefined> {
  const files: HeldFile[] = [];
  for (const part of partsOf(machine)) {
    const mappings = await mappingsOf(session.identity.pid, `${machine.paths.memory}${part}`);
    const [first] = mappings;
    if (first === undefined) return undefined;
    files.push({ part, mappings, kind: first.isShared ? 'own' : 'private' });
  }
  return files;
}

/** Every part of it is frozen: nothing of what it maps is changed by this machine. */
export function isAllPrivate({ files }: HeldMemory): boolean {
  return files.every(({ kind }) => kind === 'private');
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
      await takeFiles(draft, wanted);
      await wanted.onReady?.();
      signal.throwIfAborted();
      pausedAt = performance.now();
      await pause(memory.session);
      wanted.onPaused?.();
      await takeState(draft, wanted);
      if (wanted.isBase)
        await freezeMemory(draft.memory, partsOf(machine), { facts, sharedGid: house.sharedGid });
      else await ownFiles(draft, wanted);
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

/** What it writes to is taken as it is; of what it shares with others a copy is made. */
async function takeFiles(draft: SnapshotPaths, { machine, memory }: Capture): Promise<void> {
  for (const { part, kind } of memory.files) {
    const [from, to] = [`${machine.paths.memory}${part}`, `${draft.memory}${part}`];
    if (kind === 'own') await shareFile(from, to);
    else await cloneFile(from, to);
  }
}

async function ownFiles(draft: SnapshotPaths, { machine, memory }: Capture): Promise<void> {
  for (const { part, kind } of memory.files)
    if (kind === 'private') await chown(`${draft.memory}${part}`, machine.owner.uid, machine.owner.gid);
}

async function takeState(draft: SnapshotPaths, { machine, memory, copyDisks }: Capture): Promise<void> {
  const { session, files } = memory;
  await saveDevices(session, machine.paths, draft.deviceState);
  for (const { part, kind, mappings } of files)
    if (kind === 'private') await copyPrivatePages(session.identity.pid, mappings, `${draft.memory}${part}`);
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
