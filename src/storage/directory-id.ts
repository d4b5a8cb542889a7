import { randomUUID } from 'node:crypto';
import type { Roots } from '../machine/paths.ts';
import { readIfThere, writeAtomically } from '../host/files.ts';

/**
 * What tells this state directory from every other, made once. Whoever has the directory has the machines and disks
 * in it. The lock of the directory must be held.
 */
export async function directoryIdOf({ state }: Roots): Promise<string> {
  const path = `${state}/id`;
  const kept = (await readIfThere(path))?.trim();
  if (kept !== undefined && kept !== '') return kept;
  const made = randomUUID();
  await writeAtomically(path, `${made}\n`);
  return made;
}
