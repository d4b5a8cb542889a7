import { ftruncateSync, writeSync } from 'node:fs';
import type { Roots } from '../machine/paths.ts';
import { HypemanError } from '../errors.ts';
import { ensureDirectory, readIfThere } from '../host/files.ts';
import { tryLock } from '../host/file-lock.ts';

export type Lock = { release(): void };

/**
 * Makes this process the only controller of a state directory, until `release` or its end, `kill -9`
 * included. Throws the `invalid` `StateDirectoryInUse`, naming the pid of the holder.
 */
export async function lockStateDirectory(roots: Roots, pid = process.pid): Promise<Lock> {
  await ensureDirectory(roots.state, 0o711);
  const path = `${roots.state}/lock`;
  const lock = await tryLock(path);
  if (lock === undefined) throw inUse(roots.state, await readIfThere(path));
  ftruncateSync(lock.fd);
  writeSync(lock.fd, `${pid}\n`);
  return lock;
}

/** The holder writes its pid just after it has the lock: for a moment there is none to name. */
function inUse(directory: string, text: string | undefined): HypemanError {
  const pid = /^(\d+)\n$/.exec(text ?? '')?.[1];
  const who = pid === undefined ? 'another hypeman-controller' : `another hypeman-controller (pid ${pid})`;
  return new HypemanError(
    'invalid',
    'StateDirectoryInUse',
    `${who} uses ${directory}: stop it first, or give this one a directory of its own with --state-dir`,
    pid === undefined ? {} : { facts: { pid: Number(pid) } },
  );
}
