import { randomBytes } from 'node:crypto';
import { chmod, chown, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cloneFile } from '../host/clone-file.ts';
import { orDiskFull } from '../host/disk-space.ts';
import { removeFile, statIfThere, syncDirectory, syncFile } from '../host/files.ts';
import type { MachineDisk, Owner } from '../machine/machine.ts';
import { TEMPORARY_PREFIX } from './overlay.ts';

/** See `Snapshots.cloneDisk`. Durable, because the guest that runs on it believes that its disk is. */
export async function cloneDisk(from: string, to: string, owner: Owner): Promise<void> {
  if ((await statIfThere(to)) !== undefined) return;
  const directory = dirname(to);
  const temporary = `${directory}/${TEMPORARY_PREFIX}${randomBytes(6).toString('hex')}`;
  try {
    await orDiskFull(directory, 'copy a disk', async () => {
      await cloneFile(from, temporary);
      await chmod(temporary, 0o600);
      await chown(temporary, owner.uid, owner.gid);
      await syncFile(temporary);
    });
    await rename(temporary, to);
  } catch (error) {
    await removeFile(temporary);
    throw error;
  }
  await syncDirectory(directory);
}

/** Copies the disks that a machine writes to, `<serial>.img` each: for whoever freezes it while it stands still. */
export async function copyWritableDisks(disks: readonly MachineDisk[], directory: string): Promise<void> {
  for (const { serial, path, readonly } of disks) {
    if (readonly) continue;
    await cloneFile(path, `${directory}/${serial}.img`);
    await chmod(`${directory}/${serial}.img`, 0o400);
    await chown(`${directory}/${serial}.img`, 0, 0);
  }
}
