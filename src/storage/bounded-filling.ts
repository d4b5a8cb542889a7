import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../host/exec.ts';

/** Often enough that no disk fills up in between, seldom enough that looking costs little beside the unpacking. */
const LOOK_MS = 250;
/** A look at many files takes its time: the next one is so many times as far away. */
const REST = 4;
const LOOK_WITHIN_MS = 600_000;

/** No filesystem of these sizes has more (mke2fs.conf(5): one inode for 4096 bytes at the most). */
const BYTES_PER_ENTRY = 4096;
/** What a directory takes up here is not quite what it takes up there: what nearly fits is for mkfs to judge. */
const SLACK = 1.25;
const SLACK_BYTES = 16 * 1024 ** 2;

export type Bounds = {
  /** Of the volume that the files are for. */
  readonly bytes: number;
  readonly signal: AbortSignal;
  /** What it fails with. */
  readonly tooLarge: () => Error;
};

/**
 * Lets `fill` put files into `directory`, and stops it, by its signal, when there are more than could ever fit into
 * the volume: a small archive can hold more than this host has room for. What is there by then is left to the caller.
 */
export async function filledWithin<T>(
  directory: string,
  { bytes, signal, tooLarge }: Bounds,
  fill: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const tooMuch = new AbortController();
  const isOver = new AbortController();
  const watching = watch(directory, bytes, isOver.signal).then((isTooMuch) => {
    if (isTooMuch) tooMuch.abort();
  });
  try {
    return await fill(AbortSignal.any([signal, tooMuch.signal]));
  } catch (error) {
    throw tooMuch.signal.aborted ? tooLarge() : error;
  } finally {
    isOver.abort();
    await watching;
  }
}

/** True as soon as it is too much; false when it is over. */
async function watch(directory: string, bytes: number, isOver: AbortSignal): Promise<boolean> {
  while (!isOver.aborted) {
    const since = performance.now();
    if (isTooMuch(await usageOf(directory, isOver), bytes)) return true;
    const tookMs = performance.now() - since;
    await sleep(Math.max(LOOK_MS, REST * tookMs), undefined, { signal: isOver }).catch(() => undefined);
  }
  return false;
}

type Usage = { readonly bytes: number; readonly entries: number };

function isTooMuch(usage: Usage, bytes: number): boolean {
  return usage.bytes > bytes * SLACK + SLACK_BYTES || usage.entries > bytes / BYTES_PER_ENTRY;
}

/**
 * Files come and go while it looks: what du(1) could not see counts at the next look. Of blocks and lengths the lesser:
 * XFS sets aside as much again behind the end of a file that grows, and a hole has a length and no blocks. What files
 * shorter than a block take up more is bounded by their number.
 */
async function usageOf(directory: string, signal: AbortSignal): Promise<Usage> {
  const [blocks = 0, lengths = 0, entries = 0] = await Promise.all(
    ['--block-size=1', '--bytes', '--inodes'].map(async (of) => {
      const asked = { timeoutMs: LOOK_WITHIN_MS, signal };
      const { stdout } = await runCommand('du', ['-s', of, directory], asked).catch(() => ({ stdout: '' }));
      return Number.parseInt(stdout, 10) || 0;
    }),
  );
  return { bytes: Math.min(blocks, lengths), entries };
}
