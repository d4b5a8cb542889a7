import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HypemanError } from '../../errors.ts';
import { removeFile } from '../../host/files.ts';
import { connectUnix } from '../../host/unix-socket.ts';
import type { InstancePaths } from '../../machine/paths.ts';
import type { Session } from './session.ts';
import { incomingSocketOf } from './translate.ts';

/** 120 KB for a small machine; a hundred devices stay under a MiB. A VMM that its guest took over has no more. */
const LARGEST_BYTES = 64 * 1024 * 1024;
const SAVED_WITHIN_MS = 10_000;
const LOADED_WITHIN_MS = 30_000;
const LOAD_LOOK_MS = 1;

/**
 * Has a paused VMM write the state of its devices, RAM excepted, and puts it into `target`. The VMM writes
 * into its own directory in /run, which no full disk reaches, so that it needs no right to a snapshot's.
 */
export async function saveDevices(session: Session, paths: InstancePaths, target: string): Promise<void> {
  const written = `${paths.runDirectory}/devices.bin`;
  try {
    // Not live: the VMM keeps its hold on the disks, and can go on.
    const args = { filename: written, live: false };
    await session.execute('xen-save-devices-state', { args, withinMs: SAVED_WITHIN_MS });
    await copyUntrusted(written, target);
  } finally {
    await removeFile(written);
  }
}

/** Feeds a waiting VMM the device state and returns once it stands where the other stood. */
export async function loadDevices(
  session: Session,
  { paths, deviceState }: { readonly paths: InstancePaths; readonly deviceState: string },
  signal: AbortSignal,
): Promise<void> {
  const bytes = await readFile(deviceState);
  const stream = await connectUnix(incomingSocketOf(paths));
  // It hangs up when it has read what it needs. Whether it took it is for its state to tell.
  stream.on('error', () => undefined);
  stream.end(bytes);
  const end = Date.now() + LOADED_WITHIN_MS;
  while ((await session.state()).state !== 'paused') {
    signal.throwIfAborted();
    if (Date.now() > end)
      throw new HypemanError('transient', 'SnapshotUnusable', 'it did not take the device state in time');
    await delay(LOAD_LOOK_MS);
  }
  stream.destroy();
}

/** The writer is the VMM: what it left under the name may be a link, a pipe, or of any size. */
async function copyUntrusted(from: string, to: string): Promise<void> {
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const seen = await source.stat();
    if (!seen.isFile() || seen.size === 0 || seen.size > LARGEST_BYTES)
      throw new HypemanError('transient', 'CannotSuspend', 'QEMU left something else than a device state');
    const bytes = Buffer.alloc(seen.size);
    const { bytesRead } = await source.read(bytes, 0, seen.size, 0);
    const target = await open(to, 'wx', 0o600);
    try {
      await target.writeFile(bytes.subarray(0, bytesRead));
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
