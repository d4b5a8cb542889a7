import { createHash } from 'node:crypto';
import { open, readFile, readdir } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { readIfThere } from '../../src/host/files.ts';
import { allPids } from '../../src/host/processes.ts';

const CHUNK = 1 << 22;

/** The ways in which a value could lie about: as it is, encoded, wide, and by digests that tell a good guess. */
export function formsOf(value: string): readonly Buffer[] {
  const bytes = Buffer.from(value);
  const digests = ['md5', 'sha1', 'sha256', 'sha512'].map((name) => createHash(name).update(value).digest());
  const printed = [bytes, ...digests].flatMap((one) => [
    one.toString('hex'),
    one.toString('base64').replace(/=+$/, ''),
  ]);
  return [bytes, Buffer.from(value, 'utf16le'), ...digests, ...printed.map((text) => Buffer.from(text))];
}

export function holdsAny(bytes: Buffer, forms: readonly Buffer[]): boolean {
  return forms.some((form) => bytes.includes(form));
}

/** Files below these directories that hold any of the forms, wherever in them. */
export async function filesWith(
  forms: readonly Buffer[],
  ...directories: string[]
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const directory of directories)
    for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
      const path = `${entry.parentPath}/${entry.name}`;
      if (entry.isFile() && (await isInFile(path, forms))) found.push(path);
    }
  return found;
}

async function isInFile(path: string, forms: readonly Buffer[]): Promise<boolean> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return false;
  try {
    return await isInRange(file, forms, 0, (await file.stat()).size);
  } finally {
    await file.close();
  }
}

/** Memory of a process that can be read and holds any of the forms; what the kernel will not show is left out. */
export async function isInMemory(pid: number, forms: readonly Buffer[]): Promise<boolean> {
  const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
  const memory = await open(`/proc/${pid}/mem`);
  try {
    for (const [, from = '', to = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r/gm)) {
      const [start, end] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
      if (end < Number.MAX_SAFE_INTEGER && (await isInRange(memory, forms, start, end))) return true;
    }
    return false;
  } finally {
    await memory.close();
  }
}

async function isInRange(
  file: FileHandle,
  forms: readonly Buffer[],
  start: number,
  end: number,
): Promise<boolean> {
  const overlap = Math.max(...forms.map(({ length }) => length));
  const buffer = Buffer.alloc(CHUNK + overlap);
  for (let at = start; at < end; at += CHUNK) {
    const wanted = Math.min(buffer.length, end - at);
    // Pages that are not there, as of a device, cannot be read.
    const read = await file.read(buffer, 0, wanted, at).catch(() => undefined);
    if (read !== undefined && holdsAny(buffer.subarray(0, read.bytesRead), forms)) return true;
  }
  return false;
}

/** Processes of this host, whoever's, with any of the forms in their arguments or environment. */
export async function processesWith(forms: readonly Buffer[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await allPids())
    for (const what of ['cmdline', 'environ']) {
      const text = await readIfThere(`/proc/${pid}/${what}`).catch(() => undefined);
      if (text !== undefined && holdsAny(Buffer.from(text), forms)) found.push(`${pid} ${what}`);
    }
  return found;
}
