import { HypemanError, messageOf } from '../../errors.ts';
import { removeFile } from '../../host/files.ts';
import { HOTPLUG_SLOTS, partOfSlot, pluggedBytes } from '../../machine/hotplug.ts';
import type { Dimm } from '../../machine/hotplug.ts';
import type { Machine } from '../../machine/machine.ts';
import { asFields } from './fields.ts';
import type { Session } from './session.ts';
import { dimmNames } from './translate.ts';
import { makeMemoryFile } from './memory-files.ts';
import type { Vmms } from './vmms.ts';

export type Growing = { readonly machine: Machine; readonly bytes: number };

/** Measured: 10 ms for 512 MiB, and the guest uses it 160 ms later, on a host with ten times more to do than it can. */
const PLUGGED_WITHIN_MS = 10_000;

/** See `Driver.growMemory`. */
export async function growMemory(
  vmms: Vmms,
  { machine, bytes }: Growing,
  signal: AbortSignal,
): Promise<void> {
  const { state } = await vmms.look(machine);
  const session = await vmms.sessionOf(machine);
  if (state !== 'running' || session === undefined) throw cannotGrow(machine, `it is ${state}`);
  session.forgetDimms();
  const dimms = await session.dimms();
  const missing = bytes - machine.memoryBytes - pluggedBytes(dimms);
  if (missing <= 0) return;
  const slot = freeSlotOf(dimms);
  if (slot === undefined) throw cannotGrow(machine, `all of its ${HOTPLUG_SLOTS} slots are in use`);
  signal.throwIfAborted();
  await plug(session, machine, { slot, bytes: missing });
}

function freeSlotOf(dimms: readonly Dimm[]): number | undefined {
  const used = new Set(dimms.map(({ slot }) => slot));
  return Array.from({ length: HOTPLUG_SLOTS }, (_, slot) => slot).find((slot) => !used.has(slot));
}

/** Half of it may be there, from a controller that died in between, or from before the guest gave it back. */
async function plug(
  session: Session,
  machine: Machine,
  { slot, bytes }: Omit<Dimm, 'address'>,
): Promise<void> {
  const { device, backend } = dimmNames(slot);
  const path = `${machine.paths.memory}${partOfSlot(slot)}`;
  if (await hasBackend(session, backend)) await session.execute('object-del', { args: { id: backend } });
  await removeFile(path);
  try {
    await makeMemoryFile(machine, partOfSlot(slot), bytes);
    const file = {
      'qom-type': 'memory-backend-file',
      id: backend,
      'mem-path': path,
      size: bytes,
      share: true,
    };
    await session.execute('object-add', { args: file, withinMs: PLUGGED_WITHIN_MS });
    const dimm = { driver: 'pc-dimm', id: device, memdev: backend, slot };
    await session.execute('device_add', { args: dimm, withinMs: PLUGGED_WITHIN_MS });
  } catch (error) {
    // Of an answer that is late nobody knows what it is: the file stays, and the next growth looks again.
    if (error instanceof HypemanError && error.reason === 'QmpRefused') await unplug(session, backend, path);
    throw error instanceof HypemanError ? error : cannotGrow(machine, messageOf(error), error);
  } finally {
    session.forgetDimms();
  }
}

async function unplug(session: Session, backend: string, path: string): Promise<void> {
  if (await hasBackend(session, backend)) await session.execute('object-del', { args: { id: backend } });
  await removeFile(path);
}

async function hasBackend(session: Session, backend: string): Promise<boolean> {
  const answer = await session.execute('query-memdev');
  return Array.isArray(answer) && answer.some((each) => asFields(each).id === backend);
}

function cannotGrow({ id }: Machine, why: string, cause?: unknown): HypemanError {
  return new HypemanError('transient', 'CannotGrow', `memory cannot be added to ${id}: ${why}`, { cause });
}
