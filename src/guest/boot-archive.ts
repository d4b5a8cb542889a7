import { constants } from 'node:fs';
import { appendFile, chmod, chown, copyFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HypemanError } from '../errors.ts';
import { readIfThere, removeFile, syncDirectory, writeAtomically } from '../host/files.ts';
import type { BootDescription } from '../machine/boot.ts';
import type { Owner } from '../machine/machine.ts';
import type { InstancePaths } from '../machine/paths.ts';
import type { Fields } from '../machine/record.ts';
import type { Secret } from '../secrets/secret.ts';
import { bootConfig } from './boot-config.ts';
import { PRIVATE_FILE_MODE, cpioOf } from './cpio.ts';

export type BootArchive = {
  /** The initramfs that all instances share: `findKernel(...).initrd`. */
  readonly base: string;
  readonly paths: Pick<InstancePaths, 'bootArchive' | 'bootFields'>;
  readonly boot: BootDescription;
  readonly env: Readonly<Record<string, Secret>>;
  /** What the archive was made from, to be seen again by `readBootFields`. */
  readonly fields: Fields;
  readonly owner: Owner;
};

/**
 * Writes the initramfs of one instance: the base, then an archive with its boot config, in one file
 * because QEMU takes one. It holds the environment in plain, so only root and the instance's own VMM
 * can read it. The fields are taken away first and written last: they never speak of another archive.
 */
export async function writeBootArchive({
  base,
  paths,
  boot,
  env,
  fields,
  owner,
}: BootArchive): Promise<void> {
  const config = cpioOf([{ name: 'boot.conf', mode: PRIVATE_FILE_MODE, content: bootConfig(boot, env) }]);
  const temporary = `${paths.bootArchive}.part`;
  await removeFile(paths.bootFields);
  await removeFile(temporary);
  try {
    await copyFile(base, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await chmod(temporary, 0o600);
    await appendFile(temporary, config, { flush: true });
    await chown(temporary, 0, owner.gid);
    await chmod(temporary, 0o440);
    await rename(temporary, paths.bootArchive);
  } catch (cause) {
    await removeFile(temporary);
    throw new HypemanError('transient', 'BootArchiveFailed', `cannot write the boot archive of ${boot.id}`, {
      cause,
    });
  }
  await syncDirectory(dirname(paths.bootArchive));
  await writeAtomically(paths.bootFields, JSON.stringify(fields));
}

/** What the archive on disk was made from; undefined when there is none, or not a whole one. */
export async function readBootFields(paths: Pick<InstancePaths, 'bootFields'>): Promise<Fields | undefined> {
  const text = await readIfThere(paths.bootFields);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((field) => typeof field === 'string')
  );
}
