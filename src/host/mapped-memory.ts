import type { FileHandle } from 'node:fs/promises';
import { open, readFile } from 'node:fs/promises';

/** Where a process has a file in its address space (proc(5), /proc/PID/maps). */
export type FileMapping = {
  readonly start: number;
  readonly end: number;
  readonly fileOffset: number;
  readonly isShared: boolean;
};

const PAGE = 4096;
/** Of a pagemap entry (the kernel's admin-guide/mm/pagemap): the high word of its eight bytes. */
const PRESENT_OR_SWAPPED = 0xc000_0000;
const FILE_OR_SHARED = 0x2000_0000;
/** 1 GiB of address space at a time. */
const ENTRIES_AT_ONCE = 256 * 1024;
const BYTES_AT_ONCE = 4 * 1024 * 1024;

/** The mappings of exactly this path, in the order of addresses. */
export async function mappingsOf(pid: number, path: string): Promise<readonly FileMapping[]> {
  const lines = (await readFile(`/proc/${pid}/maps`, 'utf8')).split('\n');
  return lines.flatMap((line) => {
    const fields = /^([0-9a-f]+)-([0-9a-f]+) ...([sp]) ([0-9a-f]+) \S+ \d+ +(.*)$/.exec(line);
    if (fields?.[5] !== path) return [];
    const [start = 0, end = 0, fileOffset = 0] = [fields[1], fields[2], fields[4]].map((hex) =>
      Number.parseInt(hex ?? '', 16),
    );
    return [{ start, end, fileOffset, isShared: fields[3] === 's' }];
  });
}

/**
 * Writes what a process changed in its private mappings of a file over a copy of that file. The process has
 * to stand still. Costs a look at 8 bytes for each page mapped, and a copy of each that was changed. Returns
 * how many bytes that were.
 */
export async function copyPrivatePages(
  pid: number,
  mappings: readonly FileMapping[],
  copy: string,
): Promise<number> {
  const files = await Promise.all([
    open(`/proc/${pid}/pagemap`, 'r'),
    open(`/proc/${pid}/mem`, 'r'),
    open(copy, 'r+'),
  ]);
  const [pagemap, memory, target] = files;
  let copied = 0;
  try {
    for (const mapping of mappings) {
      for await (const run of privateRuns(pagemap, mapping)) {
        await copyRun(memory, target, { ...run, to: mapping.fileOffset + run.from - mapping.start });
        copied += run.bytes;
      }
    }
  } finally {
    for (const file of files) await file.close();
  }
  return copied;
}

type Run = { readonly from: number; readonly bytes: number };

/** Stretches of pages that are the process's own: in memory or swapped out, and not the file's. */
async function* privateRuns(pagemap: FileHandle, { start, end }: FileMapping): AsyncGenerator<Run> {
  const entries = new Uint32Array(2 * ENTRIES_AT_ONCE);
  for (let at = start; at < end; at += ENTRIES_AT_ONCE * PAGE) {
    const count = Math.min(ENTRIES_AT_ONCE, (end - at) / PAGE);
    await readFully(pagemap, new Uint8Array(entries.buffer, 0, count * 8), (at / PAGE) * 8);
    yield* runsIn(entries, count, at);
  }
}

function* runsIn(entries: Uint32Array, count: number, at: number): Generator<Run> {
  let first = -1;
  for (let page = 0; page <= count; page += 1) {
    const high = page < count ? (entries[2 * page + 1] ?? 0) : 0;
    const isOwn = (high & PRESENT_OR_SWAPPED) !== 0 && (high & FILE_OR_SHARED) === 0;
    if (isOwn && first < 0) first = page;
    if (isOwn || first < 0) continue;
    yield { from: at + first * PAGE, bytes: (page - first) * PAGE };
    first = -1;
  }
}

async function copyRun(
  memory: FileHandle,
  target: FileHandle,
  { from, bytes, to }: Run & { readonly to: number },
): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(bytes, BYTES_AT_ONCE));
  for (let done = 0; done < bytes;) {
    const part = buffer.subarray(0, Math.min(buffer.length, bytes - done));
    await readFully(memory, part, from + done);
    for (let written = 0; written < part.length;)
      written += (await target.write(part, written, part.length - written, to + done + written)).bytesWritten;
    done += part.length;
  }
}

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new Error('the memory of a process ended before its mapping did');
    done += bytesRead;
  }
}
