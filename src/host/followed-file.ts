import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { isAbsence, statIfThere } from './files.ts';
import { setTimeout as sleep } from 'node:timers/promises';

const CHUNK_BYTES = 64 * 1024;
/** How often a followed file is looked at: prompt for a reader, nothing for the machine. */
const LOOK_MS = 200;

export type FollowOptions = {
  /** Bytes to leave out at the beginning. */
  readonly from: number;
  readonly signal: AbortSignal;
  /** Asked when there is nothing new: false ends the following. */
  readonly goOn: () => Promise<boolean>;
};

/**
 * The bytes of a growing file as they come. A file that was cut begins anew; one that was replaced is
 * read to its end and then the new one from its beginning; one that is not there is waited for.
 */
export async function* followFile(path: string, options: FollowOptions): AsyncGenerator<Buffer> {
  let file: FileHandle | undefined;
  let offset = options.from;
  try {
    while (!options.signal.aborted) {
      file ??= await openIfThere(path);
      const chunk = await readAt(file, offset);
      offset += chunk.length;
      if (chunk.length > 0) {
        yield chunk;
        continue;
      }
      const change = await changeOf(file, path, offset);
      if (change !== 'none') offset = 0;
      else if (await options.goOn()) await sleepUnless(options.signal);
      else return;
      if (change !== 'replaced') continue;
      await file?.close();
      file = undefined;
    }
  } finally {
    await file?.close();
  }
}

/** The last `lines` lines of a file and where they end, or undefined when there is no file. */
export async function tailOf(
  path: string,
  lines: number,
): Promise<{ readonly text: Buffer; readonly end: number } | undefined> {
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  try {
    const end = (await file.stat()).size;
    let start = end;
    let tail = Buffer.alloc(0);
    while (start > 0 && lineCount(tail) <= lines) {
      const length = Math.min(CHUNK_BYTES, start);
      start -= length;
      const chunk = Buffer.alloc(length);
      const { bytesRead } = await file.read(chunk, 0, length, start);
      tail = Buffer.concat([chunk.subarray(0, bytesRead), tail]);
    }
    return { text: lastLines(tail, lines), end };
  } finally {
    await file.close();
  }
}

const NEWLINE = 0x0a;

/** A last line that is not ended yet is a line too. */
function lastLines(text: Buffer, lines: number): Buffer {
  if (lines === 0) return Buffer.alloc(0);
  let at = text.at(-1) === NEWLINE ? text.length - 1 : text.length;
  for (let found = 0; found < lines; found += 1) {
    at = at === 0 ? -1 : text.lastIndexOf(NEWLINE, at - 1);
    if (at < 0) return text;
  }
  return text.subarray(at + 1);
}

function lineCount(text: Buffer): number {
  let count = 0;
  for (let at = text.indexOf(NEWLINE); at >= 0; at = text.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

async function readAt(file: FileHandle | undefined, offset: number): Promise<Buffer> {
  if (file === undefined) return Buffer.alloc(0);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, offset);
  return chunk.subarray(0, bytesRead);
}

/** What became of an open file since it was read up to `offset`. */
async function changeOf(
  file: FileHandle | undefined,
  path: string,
  offset: number,
): Promise<'none' | 'cut' | 'replaced'> {
  if (file === undefined) return 'none';
  const [held, named] = await Promise.all([file.stat(), statIfThere(path)]);
  if (named !== undefined && named.ino !== held.ino) return 'replaced';
  return held.size < offset ? 'cut' : 'none';
}

async function sleepUnless(signal: AbortSignal): Promise<void> {
  await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}
