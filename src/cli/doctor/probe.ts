import { readlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { freeBytesAt } from '../../host/disk-space.ts';
import { runCommand } from '../../host/exec.ts';
import { namesIn, readIfThere, statIfThere } from '../../host/files.ts';
import type { HostProbe } from './check.ts';

const COMMAND_MS = 10_000;

/** This very host. */
export function hostProbe(now: () => number, signal: AbortSignal): HostProbe {
  const exists = async (path: string): Promise<boolean> => (await statIfThere(path)) !== undefined;
  return {
    uid: process.getuid?.() ?? -1,
    now,
    read: readIfThere,
    exists,
    holdsOpen,
    freeBytes: async (path) => {
      let place = path;
      while (!(await exists(place)) && place !== dirname(place)) place = dirname(place);
      return freeBytesAt(place);
    },
    run: (program, args, input) =>
      runCommand(program, args, { timeoutMs: COMMAND_MS, signal, ...(input === undefined ? {} : { input }) }),
  };
}

async function holdsOpen(pid: number, path: string): Promise<boolean> {
  for (const fd of await namesIn(`/proc/${pid}/fd`)) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    if (target === path) return true;
  }
  return false;
}
