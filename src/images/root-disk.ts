import { open } from 'node:fs/promises';
import { diskFull, saysDiskFull } from '../host/disk-space.ts';
import { runCommand } from '../host/exec.ts';
import { removeTree } from '../host/files.ts';
import { HypemanError } from '../errors.ts';

/** Unpacking and packing are local work: half an hour is far beyond the largest image. */
const LOCAL_WORK_MS = 30 * 60_000;

/**
 * Unpacks the layers of `oci` (an OCI layout with the one image `image`) in `room` as the tree `rootfs`, which is not
 * there yet: with owners, modes, xattrs, hard links, devices and times as the layers have them. Nothing of the image
 * is executed. The layout is removed: it is needed no longer.
 */
export async function unpackLayers(room: string, rootfs: string, signal: AbortSignal): Promise<void> {
  await run('umoci', ['raw', 'unpack', '--image', `${room}/oci:image`, rootfs], room, signal);
  await removeTree(`${room}/oci`);
}

/** Packs the layers in `room` into a read-only erofs file. Both trees at once would need twice the disk. */
export async function makeRootDisk(room: string, digest: string, signal: AbortSignal): Promise<string> {
  const rootfs = `${room}/rootfs`;
  const rootDisk = `${room}/disk`;
  await unpackLayers(room, rootfs, signal);
  await run('mkfs.erofs', [...erofsArguments(digest), rootDisk, rootfs], room, signal);
  await removeTree(rootfs);
  const file = await open(rootDisk, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return rootDisk;
}

/**
 * - Not compressed. All guests of an image share its pages in the host's cache; compressed, each would inflate
 *   them again on its own CPU, under TCG an emulated one. It costs about 1.6 times the disk.
 * - No `-T`: in mkfs.erofs 1.5 it sets one time on every file, and programs compare times (make, *.pyc).
 * - The uuid is of the content, so that the same image looks the same on every host.
 */
function erofsArguments(digest: string): readonly string[] {
  const hex = digest.slice('sha256:'.length);
  const uuid = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20, 32),
  ].join('-');
  return ['--quiet', '-U', uuid];
}

async function run(
  program: string,
  args: readonly string[],
  room: string,
  signal: AbortSignal,
): Promise<void> {
  const { exitCode, stdout, stderr } = await runCommand(program, args, { signal, timeoutMs: LOCAL_WORK_MS });
  if (exitCode === 0) return;
  const said = `${stdout}\n${stderr}`.replace(/\s+/g, ' ').trim();
  if (saysDiskFull(said)) throw await diskFull(room, 'unpack an image');
  throw new HypemanError(
    'transient',
    'UnpackFailed',
    `the layers of the image cannot be unpacked: ${program} says ${said.slice(-300)}`,
    { facts: { program, exitCode } },
  );
}
