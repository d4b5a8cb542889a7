import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { lstat, open, stat } from 'node:fs/promises';
import { errorCode, isAbsence } from '../../host/files.ts';
import { MAX_FILE_BYTES } from '../documents.ts';

/** The inode tells an editor's rename from a write in place. */
export type FileVersion = {
  /** Changes with every write, rename and chmod. */
  readonly signature: string;
  readonly inode: string;
  readonly bytes: number;
  readonly modifiedAt: number;
};

export type Observation =
  | { readonly is: 'absent' }
  /** It has the signature that was given. */
  | { readonly is: 'same' }
  /** Something is there, but no text can be had of it. */
  | { readonly is: 'unreadable'; readonly message: string }
  | { readonly is: 'text'; readonly text: string; readonly version: FileVersion };

/** Reads what stands under a path, at most 1 MiB of it. Never waits on a pipe and never throws. */
export async function observeFile(path: string, knownSignature?: string): Promise<Observation> {
  try {
    const seen = await stat(path, { bigint: true });
    if (seen.isDirectory()) return { is: 'absent' };
    if (!seen.isFile()) return unreadable('is no regular file');
    if (seen.size > BigInt(MAX_FILE_BYTES)) return unreadable(`is larger than ${MAX_FILE_BYTES / 1024} KiB`);
    if (signatureOf(seen) === knownSignature) return { is: 'same' };
    return await readFileSeen(path, seen);
  } catch (error) {
    if (!isAbsence(error)) return unreadable(reasonFor(error));
    return (await isLink(path)) ? unreadable('is a link that leads nowhere') : { is: 'absent' };
  }
}

async function readFileSeen(path: string, seen: BigIntStats): Promise<Observation> {
  // O_NONBLOCK: since the stat a pipe may have taken the place of the file.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.allocUnsafe(Number(seen.size) + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const after = await file.stat({ bigint: true });
    if (signatureOf(seen) !== signatureOf(after) || BigInt(bytesRead) !== seen.size)
      return unreadable('changes while it is read');
    const text = UTF8.decode(buffer.subarray(0, bytesRead));
    return { is: 'text', text, version: versionOf(after) };
  } catch (error) {
    if (error instanceof TypeError) return unreadable('is not UTF-8 text');
    throw error;
  } finally {
    await file.close();
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function versionOf(stats: BigIntStats): FileVersion {
  return {
    signature: signatureOf(stats),
    inode: `${stats.dev}:${stats.ino}`,
    bytes: Number(stats.size),
    modifiedAt: Number(stats.mtimeMs),
  };
}

function signatureOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (seen) => seen.isSymbolicLink(),
    () => false,
  );
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'may not be read: permission denied',
  EPERM: 'may not be read: operation not permitted',
  ELOOP: 'is a link in a circle',
  EIO: 'cannot be read: the disk reports an error',
  ESTALE: 'cannot be read: the server of its file system has forgotten it',
};

function reasonFor(error: unknown): string {
  const code = errorCode(error) ?? 'unknown error';
  return REASONS[code] ?? `cannot be read (${code})`;
}

function unreadable(message: string): Observation {
  return { is: 'unreadable', message };
}
