import { allPids, argumentsOf } from '../../src/host/processes.ts';
import type { Place } from './controller-process.ts';

/** A VMM found on the host by nothing but its arguments: what an unbelieving admin would see. */
export type SeenMachine = { readonly pid: number; readonly id: string };

export async function machinesOf(place: Place): Promise<readonly SeenMachine[]> {
  const seen: SeenMachine[] = [];
  for (const pid of await allPids()) {
    const args = await argumentsOf(pid);
    if (!args.some((argument) => argument.includes('qemu-system'))) continue;
    const socket = args.find((argument) => argument.includes(`${place.runDir}/`));
    const id = socket?.match(new RegExp(`${place.runDir}/([a-z0-9]{24})/`))?.[1];
    if (id !== undefined) seen.push({ pid, id });
  }
  return seen;
}
