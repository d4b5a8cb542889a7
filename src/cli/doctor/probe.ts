import { readlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cloneMethodIn } from '../../host/clone-file.ts';
import { freeBytesAt } from '../../host/disk-space.ts';
import { runCommand } from '../../host/exec.ts';
import { namesIn, readIfThere, statIfThere } from '../../host/files.ts';
import type { HostProbe } from './check.ts';

const COMMAND_MS = 10_000;

/** This very host. */
export function hostProbe(now: () => number, signal: AbortSignal): HostProbe {
  return {
    uid: process.getuid?.() ?? -1,
    now,
    read: readIfThere,
    exists: isThere,
    holdsOpen,
    freeBytes: async (path) => freeBytesAt(await placeOf(path)),
    cloneMethod: async (path) => cloneMethodIn(await placeOf(path)),
    run: (program, args, input) =>
      runCommand(program, args, { timeoutMs: COMMAND_MS, signal, ...(input === undefined ? {} : { input }) }),
  };
}

async function isThere(path: string): Promise<boolean> {
  return (await statIfThere(path)) !== undefined;
}

/** The path, or the directory above it that is there already. */
async function placeOf(path: string): Promise<string> {
  let place = path;
  while (!(await isThere(place)) && place !== dirname(place)) place = dirname(place);
  return place;
}

async function holdsOpen(pid: number, path: string): Promise<boolean> {
  for (const fd of await namesIn(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (target === path) return true;
  }
  return false;
}
