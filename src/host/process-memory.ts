import { readFile } from 'node:fs/promises';
import type { ProcessIdentity } from '../machine/machine.ts';
import { errorCode, isAbsence } from './files.ts';
import { isAlive } from './processes.ts';

/** The memory of a process, in bytes: what is in RAM, whether others have it mapped too, or it alone. */
export type ProcessMemory = {
  readonly residentBytes: number;
  readonly sharedBytes: number;
  readonly privateBytes: number;
};

/**
 * What exactly this process takes now, by `/proc/PID/smaps_rollup` (proc(5), Linux 4.14); undefined when it is gone.
 * The kernel looks at every page for it: for somebody who asks, not for every scrape.
 */
export async function processMemoryOf(
  identity: ProcessIdentity,
  bootId: string,
): Promise<ProcessMemory | undefined> {
  const text = await rollupOf(identity.pid);
  // Looked at afterwards: the pid was its own all the while.
  if (text === undefined || !(await isAlive(identity, bootId))) return undefined;
  const bytes = (field: string): number =>
    1024 * Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return {
    residentBytes: bytes('Rss'),
    sharedBytes: bytes('Shared_Clean') + bytes('Shared_Dirty'),
    privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'),
  };
}

async function rollupOf(pid: number): Promise<string | undefined> {
  try {
    return await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch (error) {
    if (isAbsence(error) || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}
