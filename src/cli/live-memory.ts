import type { ReportedInstance } from '../api/reported.ts';
import { messageOf, reasonOf } from '../errors.ts';
import type { ProcessMemory } from '../host/process-memory.ts';
import type { ControllerClient } from './controller-client.ts';
import { instanceKeyOf } from './instances.ts';

/** The memory that the VMM of an instance takes, as far as it can be asked; without `memory`, there is no VMM. */
export type LiveMemory =
  | { readonly is: 'known'; readonly memory?: ProcessMemory }
  | { readonly is: 'unknown'; readonly why: string };

/** An agent on a node that is lost never answers, and `describe` is what tells of that. */
const ANSWER_MS = 5000;

/** Never fails: what cannot be asked is unknown, and why is part of the answer. Nobody is asked without need. */
export async function liveMemoryOf(
  client: Pick<ControllerClient, 'memory'>,
  instance: ReportedInstance,
  signal = AbortSignal.timeout(ANSWER_MS),
): Promise<LiveMemory> {
  if (isWithoutMachine(instance)) return { is: 'known' };
  try {
    const memory = await Promise.race([client.memory(instanceKeyOf(instance), signal), endOf(signal)]);
    return { is: 'known', ...(memory === undefined ? {} : { memory }) };
  } catch (error) {
    return { is: 'unknown', why: signal.aborted ? 'its controller does not answer' : whyOf(error) };
  }
}

/** A request whose connection is still being made does not end with its signal. */
function endOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(new Error('it took too long'));
    });
  });
}

function whyOf(error: unknown): string {
  return reasonOf(error) === 'NoController' ? 'it needs a running controller' : messageOf(error);
}

function isWithoutMachine({ status: { state = 'Created' } }: ReportedInstance): boolean {
  return state === 'Created' || state === 'Standby' || state === 'Stopped';
}
