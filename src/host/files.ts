import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, readFile, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { basename, dirname } from 'node:path';

/** The text of a file, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

export async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** Names in a directory, sorted; none when there is no such directory. */
export async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

/**
 * Replaces a file so that a reader, or a crash, sees the old or the new text and nothing between:
 * temporary file, fsync, rename, fsync of the directory (rename(2), fsync(2)).
 */
export async function writeAtomically(path: string, text: string | Uint8Array, mode = 0o600): Promise<void> {
  await replaceThrough(path, text, mode, true);
  await syncDirectory(dirname(path));
}

/**
 * As `writeAtomically` for a reader, but not for a crash of the host, after which the old text or none may
 * be there: for what is made again from the present, such as a status.
 */
export async function replaceFile(path: string, text: string, mode = 0o600): Promise<void> {
  await replaceThrough(path, text, mode, false);
}

async function replaceThrough(
  path: string,
  text: string | Uint8Array,
  mode: number,
  isDurable: boolean,
): Promise<void> {
  const temporary = `${dirname(path)}/.${basename(path)}.${randomBytes(6).toString('hex')}`;
  const file = await open(temporary, 'wx', mode);
  try {
    await file.writeFile(text);
    if (isDurable) await file.sync();
  } catch (error) {
    await file.close();
    await removeFile(temporary);
    throw error;
  }
  await file.close();
  await rename(temporary, path);
}

/** Makes a rename or a new name in this directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  await syncFile(path);
}

/** Makes what is in the file durable, its name not. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

export async function ensureDirectory(path: string, mode = 0o700): Promise<void> {
  await mkdir(path, { recursive: true, mode });
}

/** A file that is not there is removed already. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}

export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

export function isAbsence(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** The errno name of a system error (`ENOSPC`), if it is one. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
