import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HypemanError } from '../../errors.ts';
import { ensureDirectory, readIfThere, removeFile, statIfThere } from '../../host/files.ts';
import { ensureOwnedDirectory, ensureOwnedFile, concatenate } from '../../host/owned-files.ts';
import { waitUntilGone } from '../../host/process-end.ts';
import { signalProcess, spawnDetached } from '../../host/processes.ts';
import type { Detached } from '../../host/processes.ts';
import { connectUnix } from '../../host/unix-socket.ts';
import type { Machine } from '../../machine/machine.ts';
import type { InstancePaths } from '../../machine/paths.ts';
import type { SnapshotPaths } from '../../machine/snapshot-paths.ts';
import { discardSnapshot } from '../../host/snapshot-files.ts';
import { recordVmm, removeTraces } from './adoption.ts';
import { confined, deviceGroups } from './confinement.ts';
import { loadDevices } from './device-state.ts';
import { startFailure } from './failure.ts';
import type { FailedStart } from './failure.ts';
import { shareFile } from './frozen.ts';
import { makeMemoryFile, partsOf } from './memory-files.ts';
import { Session } from './session.ts';
import type { SessionListener } from './session.ts';
import { argvFor, hasMemoryFile, initrdOf, memoryMibOf, NIC } from './translate.ts';
import type { Origin, QemuFacts } from './translate.ts';

/** From the first instruction to an answer: 0.3 s at rest; many at once on a small host take turns. */
const ANSWERS_WITHIN_MS = 30_000;
const SOCKET_LOOK_MS = 2;
const KILLED_WITHIN_MS = 10_000;
/** The kernel looks for the next archive at a multiple of four (init/initramfs.c). */
const ARCHIVE_ALIGNMENT = 4;
/** Passable for the VMMs, so that each reaches what is its own; its list of names is root's. */
const PASSABLE = 0o711;

/** A started VMM whose vCPUs wait for `cont`. */
export type Launched = { readonly session: Session; readonly ended: Detached['ended'] };

export type Launch = {
  readonly machine: Machine;
  readonly facts: QemuFacts;
  readonly bootId: string;
  readonly listener: SessionListener;
  /** Absent: it boots. */
  readonly from?: LaunchFrom;
};

/** A snapshot to go on from. */
export type LaunchFrom = SnapshotPaths & { readonly isFrozen: boolean };

/**
 * Starts the VMM of a machine that has none and returns once it answers, and stands where its snapshot does. Throws what `startFailure`
 * makes of it, or `SocketInUse`; no process and no file in /run is left then.
 */
export async function launchVmm(launch: Launch, signal: AbortSignal): Promise<Launched> {
  const { machine, bootId, from } = launch;
  stopIfGivenUp(signal);
  const logFrom = (await statIfThere(machine.paths.vmmLog))?.size ?? 0;
  await prepare(launch);
  const vmm = await spawnVmm(launch);
  const session = new Session(vmm.identity, machine.paths.controlSocket, launch.listener);
  try {
    await recordVmm(machine.paths, vmm.identity);
    await unlessEnded(vmm, signal, (over) => answer(session, machine.paths, over));
    if (from !== undefined)
      await unlessEnded(vmm, signal, (over) => loadDevices(session, { ...machine, ...from }, over));
    return { session, ended: vmm.ended };
  } catch (error) {
    session.letGo();
    const exit = await endVmm(vmm, bootId);
    const log = ((await readIfThere(machine.paths.vmmLog)) ?? '').slice(logFrom);
    if (exit !== undefined) await removeTraces(machine.paths);
    stopIfGivenUp(signal);
    throw startFailure({
      ...{ vmmUid: machine.owner.uid, log, cause: error },
      ...(error === VMM_ENDED && exit !== undefined ? { exit } : {}),
    });
  }
}

const VMM_ENDED = new HypemanError('transient', 'MachineStartFailed', 'QEMU ended before it answered');

/** Waits for the VMM, and no longer than it lives. */
async function unlessEnded(
  vmm: Detached,
  signal: AbortSignal,
  waiting: (isOver: AbortSignal) => Promise<void>,
): Promise<void> {
  const isOver = new AbortController();
  try {
    const ended = vmm.ended.then(() => {
      throw VMM_ENDED;
    });
    await Promise.race([ended, waiting(AbortSignal.any([signal, isOver.signal]))]);
  } finally {
    isOver.abort();
  }
}

/** How it ended; undefined when even SIGKILL did not end it in time, which leaves it to the next look. */
async function endVmm(vmm: Detached, bootId: string): Promise<FailedStart['exit'] | undefined> {
  await signalProcess(vmm.identity, bootId, 'SIGKILL');
  const isGone = await waitUntilGone(vmm.identity, bootId, KILLED_WITHIN_MS);
  return isGone ? vmm.ended : undefined;
}

async function spawnVmm({ machine, facts, bootId, from }: Launch): Promise<Detached> {
  const nodes = [
    ...(facts.accelerator === 'kvm' ? ['/dev/kvm'] : []),
    ...(machine.nic === undefined ? [] : ['/dev/net/tun']),
  ];
  const groups = await deviceGroups(nodes, machine.owner.sharedGid);
  const [program, ...args] = confined(
    [facts.program, ...argvFor(machine, facts, originOf(from))],
    machine.owner,
    groups,
  );
  return spawnDetached(program, args, { name: machine.id, logPath: machine.paths.vmmLog, cwd: '/', bootId });
}

/** Everything the VMM opens, so that it owns what it writes and can read the rest. */
async function prepare({ machine, from }: Launch): Promise<void> {
  const { paths } = machine;
  for (const socket of [paths.controlSocket, paths.guestSocket]) await proveSilent(socket);
  await removeTraces(paths);
  try {
    await makeFiles(machine);
    if (from !== undefined)
      for (const part of partsOf(machine)) await shareFile(`${from.memory}${part}`, `${paths.memory}${part}`);
    else if (hasMemoryFile(machine, 'boot'))
      await makeMemoryFile(machine, '', memoryMibOf(machine) * 1024 * 1024);
    if (from === undefined) await makeInitrd(machine);
  } catch (error) {
    await removeTraces(paths);
    if (error instanceof HypemanError) throw error;
    throw startFailure({ vmmUid: machine.owner.uid, log: '', cause: error });
  }
}

async function makeFiles({ paths, owner }: Machine): Promise<void> {
  // First: while it stands, whatever comes after it is looked for.
  await ensureDirectory(dirname(paths.runDirectory), PASSABLE);
  await ensureOwnedDirectory(paths.runDirectory, { uid: owner.uid, gid: owner.gid, mode: 0o750 });
  await ensureOwnedDirectory(paths.directory, { uid: 0, gid: owner.gid, mode: 0o750 });
  await ensureOwnedFile(paths.consoleLog, { uid: owner.uid, gid: 0, mode: 0o640 });
}

async function makeInitrd({ paths, owner, initrd }: Machine): Promise<void> {
  if (initrd.length > 0)
    await concatenate(initrd, initrdOf(paths), {
      ...{ uid: owner.uid, gid: 0, mode: 0o400 },
      alignment: ARCHIVE_ALIGNMENT,
    });
}

/** A socket file without a listener is a left-over; one that answers belongs to somebody we do not know. */
async function proveSilent(path: string): Promise<void> {
  if ((await statIfThere(path)) === undefined) return;
  const stranger = await connectUnix(path, 200).catch(() => undefined);
  if (stranger === undefined) return;
  stranger.destroy();
  throw new HypemanError(
    'transient',
    'SocketInUse',
    `a process that is not ours answers on ${path}; end it first`,
  );
}

/** Returns when the VMM has answered over QMP and waits for `cont`. */
async function answer(session: Session, paths: InstancePaths, signal: AbortSignal): Promise<void> {
  const end = Date.now() + ANSWERS_WITHIN_MS;
  while ((await statIfThere(paths.controlSocket)) === undefined) {
    signal.throwIfAborted();
    if (Date.now() > end) throw tooLate();
    await delay(SOCKET_LOOK_MS);
  }
  for (;;) {
    const seen = await session.state();
    if (seen.state === 'created') return;
    signal.throwIfAborted();
    if (Date.now() > end || seen.state !== 'unknown') throw tooLate();
    await delay(SOCKET_LOOK_MS);
  }
}

function stopIfGivenUp(signal: AbortSignal): void {
  if (signal.aborted)
    throw new HypemanError('transient', 'Cancelled', 'the start was given up because the controller ends');
}

function tooLate(): HypemanError {
  return new HypemanError(
    'transient',
    'MachineStartFailed',
    `it did not answer within ${ANSWERS_WITHIN_MS / 1000} s`,
  );
}

function originOf(from: LaunchFrom | undefined): Origin {
  if (from === undefined) return 'boot';
  return from.isFrozen ? 'frozen' : 'own';
}

/**
 * Lets the vCPUs run. From their first instruction on memory and disks are no more what the standby says,
 * so it goes first. QEMU has read the initrd by then; its mapping keeps the removed file.
 */
export async function runVcpus(session: Session, { paths, nic }: Machine): Promise<void> {
  // A device state brings the link along as it was when it was taken.
  if (nic?.link === 'down') await session.execute('set_link', { args: { name: NIC, up: false } });
  await discardSnapshot(paths.standby);
  await session.execute('cont', { withinMs: ANSWERS_WITHIN_MS });
  await removeFile(initrdOf(paths));
}
