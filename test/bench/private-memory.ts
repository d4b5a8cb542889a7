import { readFile } from 'node:fs/promises';

/** MiB of a process that no other has: the share of a frozen RAM and of QEMU's own text is not a fork's. */
export async function privateMibOf(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1]);
  return (field('Private_Clean') + field('Private_Dirty')) / 1024;
}
