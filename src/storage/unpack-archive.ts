import { mkdir } from 'node:fs/promises';
import { HypemanError } from '../errors.ts';
import { diskFull, saysDiskFull } from '../host/disk-space.ts';
import { runCommand } from '../host/exec.ts';
import { statIfThere } from '../host/files.ts';

const UNPACK_MS = 3_600_000;

/**
 * Unpacks a tar archive as `directory`, which is not there yet. tar strips what leads out of it; no file may be larger
 * than `bytes`. Throws `DiskFull`, `ArchiveUnusable`.
 */
export async function unpackArchive(
  archive: string,
  directory: string,
  { bytes, signal }: { readonly bytes: number; readonly signal: AbortSignal },
): Promise<void> {
  if ((await statIfThere(archive))?.isFile() !== true)
    throw unusable(archive, 'there is no such file: check spec.source.archive');
  await mkdir(directory, { mode: 0o700 });
  const tar = ['tar', '--extract', '--numeric-owner', '--same-owner', '--same-permissions', '--xattrs'];
  const { exitCode, stderr } = await runCommand(
    'prlimit',
    [`--fsize=${bytes}`, ...tar, '--file', archive, '--directory', directory],
    { timeoutMs: UNPACK_MS, signal },
  );
  if (exitCode === 0) return;
  if (saysDiskFull(stderr)) throw await diskFull(directory, `unpack ${archive}`);
  throw unusable(archive, stderr.trim().slice(-300) || `tar ended with exit code ${exitCode}`);
}

function unusable(archive: string, why: string): HypemanError {
  return new HypemanError(
    'transient',
    'ArchiveUnusable',
    `the volume cannot be filled from ${archive}: ${why}`,
  );
}
