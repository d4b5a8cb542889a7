import { chmod, chown } from 'node:fs/promises';
import { cloneFile } from '../host/clone-file.ts';
import { diskPathIn } from '../machine/base.ts';
import type { MachineDisk, Owner } from '../machine/machine.ts';
import { makeOnce } from './make-once.ts';

/** See `Snapshots.cloneDisk`. Durable, because the guest that runs on it believes that its disk is. */
export async function cloneDisk(from: string, to: string, owner: Owner): Promise<void> {
  const make = async (temporary: string): Promise<void> => {
    await cloneFile(from, temporary);
    await chmod(temporary, 0o600);
  };
  await makeOnce(to, owner, { doing: 'copy a disk', make });
}

/** Copies the disks that a machine writes to, `<serial>.img` each: for whoever freezes it while it stands still. */
export async function copyWritableDisks(disks: readonly MachineDisk[], directory: string): Promise<void> {
  for (const { serial, path, readonly } of disks) {
    if (readonly) continue;
    const copy = diskPathIn(directory, serial);
    await cloneFile(path, copy);
    await chmod(copy, 0o400);
    await chown(copy, 0, 0);
  }
}
