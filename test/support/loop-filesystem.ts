import { mkdir, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandOutput, runCommand } from '../../src/host/exec.ts';

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
    await unmounted(mounted);
    await rm(image);
  }
}

/** On a busy host a process that was killed lets go of its files a moment after it is gone. */
async function unmounted(mounted: string): Promise<void> {
  for (let tries = 0; tries < 50; tries += 1) {
    if ((await runCommand('umount', [mounted])).exitCode === 0) return;
    await sleep(100);
  }
  await commandOutput('umount', [mounted]);
}
