import { readFile, writeFile } from 'node:fs/promises';
import { isAbsence } from './files.ts';

/** Paths below /proc/sys, such as `net/ipv4/ip_forward`, and what they shall say. */
export type Sysctls = Readonly<Record<string, string>>;

/**
 * Writes what differs. What this kernel lacks is left out (no IPv6, no such device). Network settings are
 * those of the caller's network namespace.
 */
export async function writeSysctls(wanted: Sysctls): Promise<void> {
  for (const [path, value] of Object.entries(wanted)) await writeSysctl(`/proc/sys/${path}`, value);
}

async function writeSysctl(path: string, value: string): Promise<void> {
  try {
    if ((await readFile(path, 'utf8')).trim() !== value) await writeFile(path, value);
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}
