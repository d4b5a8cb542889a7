import { basename } from 'node:path';
import { namesIn, readIfThere, removeFile, removeTree, replaceFile, statIfThere } from '../../host/files.ts';
import { allPids, argumentsOf, identityOf, isAlive } from '../../host/processes.ts';
import type { MachineRef } from '../../machine/driver.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { ProcessIdentity } from '../../machine/machine.ts';
import type { InstancePaths } from '../../machine/paths.ts';
import { parseFields } from './fields.ts';
import { controlChardevFor, initrdOf, nameFor } from './translate.ts';

/**
 * Written as soon as a VMM exists, so that the next controller finds it again. Not forced to disk: no VMM
 * outlives the host.
 */
export async function recordVmm(paths: InstancePaths, identity: ProcessIdentity): Promise<void> {
  await replaceFile(paths.vmmIdentity, `${JSON.stringify(identity)}\n`);
}

/**
 * The living VMM of this machine, or undefined, and then nothing of an earlier one is left either. The
 * record names it; where a controller died between starting a VMM and recording it, the run directory
 * stands without one, and only then are all processes read, and the record is made up for.
 */
export async function findVmm(ref: MachineRef, bootId: string): Promise<ProcessIdentity | undefined> {
  const record = await readIfThere(ref.paths.vmmIdentity);
  const recorded = parseIdentity(record);
  if (recorded !== undefined && (await isAlive(recorded, bootId))) return recorded;
  const directory = await statIfThere(ref.paths.runDirectory);
  if (record === undefined && directory === undefined) return undefined;
  const found = directory === undefined ? undefined : await scanForVmm(ref, directory.uid, bootId);
  if (found === undefined) await removeTraces(ref.paths);
  else await recordVmm(ref.paths, found);
  return found;
}

/** Removes what a VMM leaves on disk and in /run; only after its process is proven gone. */
export async function removeTraces(paths: InstancePaths): Promise<void> {
  await removeTree(paths.runDirectory);
  await removeFile(initrdOf(paths));
  // A snapshot has names of its own for the memory.
  for (const name of await namesIn(paths.directory))
    if (isMemory(name, paths)) await removeFile(`${paths.directory}/${name}`);
  await removeFile(paths.vmmIdentity);
}

function isMemory(name: string, { memory }: InstancePaths): boolean {
  const own = basename(memory);
  return name === own || name.startsWith(`${own}.`);
}

/**
 * A process with this machine's name and control socket among its arguments. It must belong to the
 * owner of the run directory, or still to root on its way there: arguments alone anybody can put on.
 */
async function scanForVmm(
  ref: MachineRef,
  owner: number,
  bootId: string,
): Promise<ProcessIdentity | undefined> {
  for (const pid of await allPids()) {
    if (!isVmmOf(ref.id, ref.paths, await argumentsOf(pid))) continue;
    const stats = await statIfThere(`/proc/${pid}`);
    if (stats === undefined || (stats.uid !== 0 && stats.uid !== owner)) continue;
    const identity = await identityOf(pid, bootId);
    if (identity !== undefined) return identity;
  }
  return undefined;
}

function isVmmOf(id: InstanceId, paths: InstancePaths, args: readonly string[]): boolean {
  return args.includes(nameFor(id)) && args.includes(controlChardevFor(paths));
}

/** A record that cannot be read counts as none: the processes themselves are asked instead. */
function parseIdentity(text: string | undefined): ProcessIdentity | undefined {
  const { pid, startTime, bootId } = parseFields(text ?? '') ?? {};
  if (typeof pid !== 'number' || typeof startTime !== 'number' || typeof bootId !== 'string')
    return undefined;
  return { pid, startTime, bootId };
}
