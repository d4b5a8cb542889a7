import type { ServerResponse } from 'node:http';
import { processMemoryOf } from '../host/process-memory.ts';
import { readBootId } from '../host/processes.ts';
import type { ProcessIdentity } from '../machine/machine.ts';

/** 200 with the `ProcessMemory` of a VMM, or with an empty object when there is none. */
export async function sendMemory(vmm: ProcessIdentity | undefined, response: ServerResponse): Promise<void> {
  const memory = vmm === undefined ? undefined : await processMemoryOf(vmm, await readBootId());
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(memory ?? {}));
}
