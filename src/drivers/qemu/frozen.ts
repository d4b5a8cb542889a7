import { chmod, chown, link, stat } from 'node:fs/promises';
import { HypemanError } from '../../errors.ts';
import { errorCode } from '../../host/files.ts';
import { opensFrozenReadOnly } from './translate.ts';
import type { QemuFacts } from './translate.ts';

/** Root's memory files are frozen: several machines may run on them, and none may write. */
export async function isFrozen(memory: string): Promise<boolean> {
  return (await stat(memory)).uid === 0;
}

/**
 * Takes a memory away from its machine, for good: from here on it is mapped privately. QEMU before 8.2
 * opens it for writing all the same. It does not write (no balloon, no free page reporting, which would
 * punch holes), each VMM reaches only what it runs on, and a manifest's `memoryWrittenAt` shows when one did.
 */
export async function freezeMemory(
  memory: string,
  parts: readonly string[],
  { facts, sharedGid }: { readonly facts: QemuFacts; readonly sharedGid: number },
): Promise<void> {
  for (const part of parts) {
    await chmod(`${memory}${part}`, opensFrozenReadOnly(facts) ? 0o440 : 0o660);
    await chown(`${memory}${part}`, 0, sharedGid);
  }
}

/** A second name for a part of a snapshot. Whoever goes last takes the file with them: no count to keep. */
export async function shareFile(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error;
    throw new HypemanError(
      'invalid',
      'SnapshotsElsewhere',
      `${from} and ${to} are on different filesystems: keep instances and snapshots of a state directory on one`,
      { cause: error },
    );
  }
}
