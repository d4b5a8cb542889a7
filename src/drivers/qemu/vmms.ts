import { HypemanError } from '../../errors.ts';
import { waitUntilGone } from '../../host/process-end.ts';
import { argumentsOf, isAlive, signalProcess } from '../../host/processes.ts';
import { readSnapshot } from '../../host/snapshot-files.ts';
import type { MachineListener, MachineRef } from '../../machine/driver.ts';
import type { InstanceId } from '../../machine/ids.ts';
import type { Machine, MachineEnd, MachineState, ProcessIdentity } from '../../machine/machine.ts';
import { findVmm, removeTraces } from './adoption.ts';
import type { QemuInstallation } from './installation.ts';
import { launchVmm, runVcpus } from './launch.ts';
import type { Launch } from './launch.ts';
import { Session } from './session.ts';
import type { SessionListener } from './session.ts';

export type VmmOptions = {
  readonly installation: QemuInstallation;
  /** Of this host's boot: `readBootId()`. */
  readonly bootId: string;
  readonly onChange: MachineListener;
};

/** A quit drains what is in flight to the disks (18 ms); then each stronger word gets its moment. */
const QUIT_WITHIN_MS = 1000;
const TERMINATED_WITHIN_MS = 1000;
const KILLED_WITHIN_MS = 10_000;
const DYING_MS = 2000;

/**
 * The VMMs of this host, one process for each machine, found again where an earlier controller started
 * them. One call for a machine at a time: the driver sees to that.
 */
export class Vmms {
  readonly #options: VmmOptions;
  /** Every VMM that was found or started, until it is seen gone. */
  readonly #sessions = new Map<InstanceId, Session>();
  /** What the last VMM of a machine said when it went. */
  readonly #ends = new Map<InstanceId, MachineEnd>();

  constructor(options: VmmOptions) {
    this.#options = options;
  }

  async look(ref: MachineRef): Promise<MachineState> {
    const session = await this.sessionOf(ref);
    if (session === undefined) return this.#absence(ref.id);
    const seen = await session.state();
    if (seen.state === 'running' || (await isAlive(session.identity, this.#options.bootId))) return seen;
    await this.#bury(ref, session);
    return this.#absence(ref.id);
  }

  async start(machine: Machine, signal: AbortSignal): Promise<void> {
    const seen = await this.look(machine);
    if (seen.state === 'unknown')
      throw new HypemanError('transient', 'MachineUnreachable', `cannot start ${machine.id}: ${seen.error}`);
    if (seen.state === 'running' || seen.state === 'shutdown') return;
    if ((await readSnapshot(machine.paths.standby, this.#options.bootId)).state === 'ready')
      throw new HypemanError(
        'transient',
        'InStandby',
        `${machine.id} is in standby: restore it, or discard its memory before it is started`,
      );
    const isHalfRestored = seen.state === 'created' && (await waitsForSnapshot(seen.process));
    if (isHalfRestored) await this.kill(machine);
    if (isHalfRestored || seen.state === 'absent') await this.launch({ machine }, signal);
    await this.run(machine);
  }

  /** A VMM whose vCPUs wait, for a machine that has none. */
  async launch(wanted: Pick<Launch, 'machine' | 'from'>, signal: AbortSignal): Promise<void> {
    const { id } = wanted.machine;
    this.#ends.delete(id);
    const facts = await this.#options.installation.facts(signal);
    const { bootId } = this.#options;
    const listener = this.#listenerFor(id);
    const { session, ended } = await launchVmm({ ...wanted, facts, bootId, listener }, signal);
    this.#sessions.set(id, session);
    void ended.then(() => {
      listener.closed(session.identity);
    });
  }

  /** Lets the vCPUs run; a VMM that waits for the first time and does not go on is ended. */
  async run(machine: Machine): Promise<void> {
    const session = await this.sessionOf(machine);
    if (session === undefined) throw new HypemanError('transient', 'MachineGone', `${machine.id} has ended`);
    const isFirst = (await session.state()).state === 'created';
    try {
      await runVcpus(session, machine);
    } catch (error) {
      if (isFirst) await this.kill(machine);
      throw error;
    }
  }

  async pressPowerButton(ref: MachineRef): Promise<void> {
    const session = await this.sessionOf(ref);
    await session?.execute('system_powerdown');
  }

  /** QEMU's own way out first, because it drains the disks; a stopped or hung one takes the last. */
  async kill(ref: MachineRef): Promise<void> {
    const { bootId } = this.#options;
    const session = await this.sessionOf(ref);
    this.#ends.delete(ref.id);
    if (session === undefined) return;
    const { identity } = session;
    const isQuitting = await session.execute('quit').then(isTrue, isFalse);
    session.letGo();
    const isGone =
      (isQuitting && (await waitUntilGone(identity, bootId, QUIT_WITHIN_MS))) ||
      (await this.#signal(identity, 'SIGTERM', TERMINATED_WITHIN_MS)) ||
      (await this.#signal(identity, 'SIGKILL', KILLED_WITHIN_MS));
    this.#sessions.delete(ref.id);
    if (!isGone) throw willNotEnd(ref.id, identity);
    await removeTraces(ref.paths);
  }

  /** Ends a VMM whose machine stands still: nothing is in flight that a last word could save. */
  async end(ref: MachineRef): Promise<void> {
    const session = await this.sessionOf(ref);
    if (session === undefined) return;
    session.letGo();
    this.#sessions.delete(ref.id);
    if (!(await this.#signal(session.identity, 'SIGKILL', KILLED_WITHIN_MS)))
      throw willNotEnd(ref.id, session.identity);
    await removeTraces(ref.paths);
  }

  close(): void {
    for (const session of this.#sessions.values()) session.letGo();
    this.#sessions.clear();
  }

  /** The VMM that lives as far as is known here, found again if an earlier controller started it. */
  async sessionOf(ref: MachineRef): Promise<Session | undefined> {
    const known = this.#sessions.get(ref.id);
    if (known !== undefined) return known;
    const identity = await findVmm(ref, this.#options.bootId);
    if (identity === undefined) return undefined;
    const session = new Session(identity, ref.paths.controlSocket, this.#listenerFor(ref.id));
    this.#sessions.set(ref.id, session);
    return session;
  }

  /** Its process is gone: keeps what it said and removes what it left. */
  async #bury(ref: MachineRef, session: Session): Promise<void> {
    session.letGo();
    this.#sessions.delete(ref.id);
    if (session.end !== undefined) this.#ends.set(ref.id, session.end);
    await removeTraces(ref.paths);
  }

  #absence(id: InstanceId): MachineState {
    const ended = this.#ends.get(id);
    return { state: 'absent', ...(ended === undefined ? {} : { ended }) };
  }

  #listenerFor(id: InstanceId): SessionListener {
    const changed = (): void => {
      this.#options.onChange(id);
    };
    return { changed, closed: (identity) => void this.#tellWhenGone(id, identity) };
  }

  /** QEMU closes its connection a moment before its process ends; who looks at once would see it dying. */
  async #tellWhenGone(id: InstanceId, identity: ProcessIdentity): Promise<void> {
    try {
      await waitUntilGone(identity, this.#options.bootId, DYING_MS);
    } catch {
      // The look that follows meets the same trouble, and can say so.
    }
    if (this.#sessions.get(id)?.identity === identity) this.#options.onChange(id);
  }

  async #signal(identity: ProcessIdentity, signal: NodeJS.Signals, withinMs: number): Promise<boolean> {
    const { bootId } = this.#options;
    await signalProcess(identity, bootId, signal);
    return waitUntilGone(identity, bootId, withinMs);
  }
}

/** One that was launched for a restore boots nothing, whatever it is told. */
async function waitsForSnapshot({ pid }: ProcessIdentity): Promise<boolean> {
  return (await argumentsOf(pid)).includes('-incoming');
}

function willNotEnd(id: InstanceId, { pid }: ProcessIdentity): HypemanError {
  return new HypemanError(
    'transient',
    'MachineWillNotEnd',
    `the VMM of ${id} (pid ${pid}) does not end, even when killed: the kernel holds it, look at its disks`,
  );
}

function isTrue(): boolean {
  return true;
}

function isFalse(): boolean {
  return false;
}
