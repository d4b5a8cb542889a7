import { mkdir, rm } from 'node:fs/promises';
import { commandOutput } from '../../src/host/exec.ts';

/** A filesystem of its own kind in a file, mounted for the length of one test. */
export async function withFilesystem(
  kind: 'xfs' | 'btrfs' | 'ext4',
  place: string,
  work: (mounted: string) => Promise<void>,
): Promise<void> {
  const image = `${place}/${kind}.fs`;
  const mounted = `${place}/${kind}`;
  await mkdir(mounted);
  await commandOutput('truncate', ['-s', '400M', image]);
  await commandOutput(`mkfs.${kind}`, ['-q', image]);
  await commandOutput('mount', ['-o', 'loop', image, mounted]);
  try {
    await work(mounted);
  } finally {
    await commandOutput('umount', [mounted]);
    await rm(image);
  }
}
