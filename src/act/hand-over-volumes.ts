import type { Machine } from '../machine/machine.ts';
import { volumesDirectory } from '../machine/volume.ts';
import type { Hands } from './hands.ts';

/** Lets the VMM of a machine open its volumes, and nobody else's but those who read them too. */
export async function handOverVolumes(
  { storage, volumes, roots }: Pick<Hands, 'storage' | 'volumes' | 'roots'>,
  { id, disks, owner }: Machine,
): Promise<void> {
  const record = storage.records().find(({ identity }) => identity.id === id);
  if (record === undefined) return;
  for (const { path, readonly } of disks)
    if (path.startsWith(`${volumesDirectory(roots)}/`))
      await volumes.handOver(path, { instance: record.key, owner, readonly });
}
