import { truncate } from 'node:fs/promises';
import { diskFull, freeBytesAt } from '../../host/disk-space.ts';
import { ensureOwnedFile } from '../../host/owned-files.ts';
import { memoryParts } from '../../machine/hotplug.ts';
import type { Machine } from '../../machine/machine.ts';

const MIB = 1024 * 1024;

/** What the names of a machine's memory files end with, of which the first is empty. */
export function partsOf({ hotplug }: Pick<Machine, 'hotplug'>): readonly string[] {
  return memoryParts(hotplug?.dimms ?? []);
}

/**
 * Sparse: a guest that fills it on a full disk dies of it (SIGBUS, mmap(2)), so that room for all of it is asked
 * for once.
 */
export async function makeMemoryFile({ paths, owner }: Machine, part: string, bytes: number): Promise<void> {
  if ((await freeBytesAt(paths.directory)) < bytes)
    throw await diskFull(paths.directory, `keep ${bytes / MIB} MiB of memory in a file`);
  const path = `${paths.memory}${part}`;
  await ensureOwnedFile(path, { uid: owner.uid, gid: owner.gid, mode: 0o600 });
  await truncate(path, bytes);
}
