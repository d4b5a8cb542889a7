import type { ReportedInstance } from '../api/reported.ts';
import { messageOf, reasonOf } from '../errors.ts';
import type { ProcessMemory } from '../host/process-memory.ts';
import type { ControllerClient } from './controller-client.ts';
import { instanceKeyOf } from './instances.ts';

/** The memory that the VMM of an instance takes, as far as it can be asked; without `memory`, there is no VMM. */
export type LiveMemory =
  | { readonly is: 'known'; readonly memory?: ProcessMemory }
  | { readonly is: 'unknown'; readonly why: string };

/** Never fails: what cannot be asked is unknown, and why is part of the answer. Nobody is asked without need. */
export async function liveMemoryOf(
  client: Pick<ControllerClient, 'memory'>,
  instance: ReportedInstance,
): Promise<LiveMemory> {
  if (isWithoutMachine(instance)) return { is: 'known' };
  try {
    const memory = await client.memory(instanceKeyOf(instance));
    return { is: 'known', ...(memory === undefined ? {} : { memory }) };
  } catch (error) {
    const isAlone = reasonOf(error) === 'NoController';
    return { is: 'unknown', why: isAlone ? 'it needs a running controller' : messageOf(error) };
  }
}

function isWithoutMachine({ status: { state = 'Created' } }: ReportedInstance): boolean {
  return state === 'Created' || state === 'Standby' || state === 'Stopped';
}
