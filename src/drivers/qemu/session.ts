import { HypemanError, messageOf } from '../../errors.ts';
import { connectUnix } from '../../host/unix-socket.ts';
import type { Dimm } from '../../machine/hotplug.ts';
import type { DiskLimit, MachineEnd, MachineState, Plugged, ProcessIdentity } from '../../machine/machine.ts';
import { ANSWER_WITHIN_MS, within } from './deadline.ts';
import { diskLimitOf } from './disk-limit.ts';
import { dimmsIn } from './dimms.ts';
import { asFields } from './fields.ts';
import type { Fields } from './fields.ts';
import { QmpConnection } from './qmp.ts';
import { endFor, stateFor } from './told.ts';

export type SessionListener = {
  /** Something changed: look again. */
  readonly changed: () => void;
  /** The connection is gone, which a VMM that ends does last. */
  readonly closed: (identity: ProcessIdentity) => void;
};

/**
 * One VMM that lives, and the one connection to it: QEMU serves one client at a time, so the
 * connection is kept and every question shares it. A VMM that hangs leaves its question open; asking
 * again waits for that answer and piles nothing up.
 */
export class Session {
  readonly identity: ProcessIdentity;
  readonly #socketPath: string;
  readonly #listener: SessionListener;
  #connection: Promise<QmpConnection> | undefined;
  #stream: QmpConnection | undefined;
  #status: Promise<string> | undefined;
  /** As last told: nothing but a growth, or the guest giving some back, changes it. */
  #dimms: Promise<readonly Dimm[]> | undefined;
  /** As last told: nothing but us changes it. */
  #diskLimit: Promise<number | undefined> | undefined;
  #end: MachineEnd | undefined;
  #isLetGo = false;

  constructor(identity: ProcessIdentity, socketPath: string, listener: SessionListener) {
    this.identity = identity;
    this.#socketPath = socketPath;
    this.#listener = listener;
  }

  /** Why the VMM is going, once it has said so. */
  get end(): MachineEnd | undefined {
    return this.#end;
  }

  /** What the VMM says of its machine, `unknown` when it does not answer in time. */
  async state(): Promise<MachineState> {
    try {
      const status = await within(this.#ask(), ANSWER_WITHIN_MS, 'query-status');
      const state = stateFor(status);
      if (state === undefined)
        return { state: 'unknown', process: this.identity, error: `QEMU reports the state ${status}` };
      if (state !== 'running' && state !== 'paused') return { state, process: this.identity };
      return { state, process: this.identity, ...(await this.#plugged()), ...(await this.#limited()) };
    } catch (error) {
      if (this.#end !== undefined) return { state: 'shutdown', process: this.identity };
      return { state: 'unknown', process: this.identity, error: `QEMU does not answer: ${messageOf(error)}` };
    }
  }

  /** Throws `MachineUnreachable` past the deadline, `QmpClosed` or `QmpRefused`. */
  async execute(
    command: string,
    { args, withinMs = ANSWER_WITHIN_MS }: { readonly args?: Fields; readonly withinMs?: number } = {},
  ): Promise<unknown> {
    return within(
      this.#connected().then((connection) => connection.execute(command, args)),
      withinMs,
      command,
    );
  }

  /** What is plugged in. Throws as `execute` does. */
  async dimms(): Promise<readonly Dimm[]> {
    if (this.#dimms === undefined) {
      const asking = this.execute('query-memory-devices').then(dimmsIn);
      this.#dimms = asking;
      asking.catch(() => {
        if (this.#dimms === asking) this.#dimms = undefined;
      });
    }
    return this.#dimms;
  }

  /** It is plugged or unplugged: what was told of it is old. */
  forgetDimms(): void {
    this.#dimms = undefined;
  }

  /** It is set: what was told of it is old. */
  forgetDiskLimit(): void {
    this.#diskLimit = undefined;
  }

  /** Closes the connection; nothing is told any more. */
  letGo(): void {
    this.#isLetGo = true;
    this.#stream?.close();
  }

  async #plugged(): Promise<Plugged> {
    const dimms = await this.dimms();
    return dimms.length === 0 ? {} : { dimms };
  }

  async #limited(): Promise<DiskLimit> {
    if (this.#diskLimit === undefined) {
      const asking = diskLimitOf((command, options) => this.execute(command, options));
      this.#diskLimit = asking;
      asking.catch(() => {
        if (this.#diskLimit === asking) this.#diskLimit = undefined;
      });
    }
    const diskBytesPerSecond = await this.#diskLimit;
    return diskBytesPerSecond === undefined ? {} : { diskBytesPerSecond };
  }

  async #ask(): Promise<string> {
    this.#status ??= this.#connected()
      .then((connection) => connection.execute('query-status'))
      .then(statusOf)
      .finally(() => {
        this.#status = undefined;
      });
    return this.#status;
  }

  async #connected(): Promise<QmpConnection> {
    if (this.#connection === undefined) {
      const opening = this.#open();
      this.#connection = opening;
      opening.catch(() => {
        if (this.#connection === opening) this.#connection = undefined;
      });
    }
    return this.#connection;
  }

  async #open(): Promise<QmpConnection> {
    const stream = await connectUnix(this.#socketPath, ANSWER_WITHIN_MS);
    const connection = new QmpConnection(stream, {
      event: (name, data) => {
        this.#take(name, data);
      },
      closed: () => {
        this.#connection = undefined;
        this.#stream = undefined;
        if (!this.#isLetGo) this.#listener.closed(this.identity);
      },
    });
    this.#stream = connection;
    if (this.#isLetGo) connection.close();
    await connection.ready;
    return connection;
  }

  #take(event: string, data: Fields): void {
    const end = endFor(event, data);
    // The first word stands: after GUEST_PANICKED comes a SHUTDOWN that says less.
    this.#end ??= end;
    // Root of a guest can eject what was plugged in.
    if (event === 'DEVICE_DELETED') this.forgetDimms();
    const isNews = end !== undefined || NEWS.has(event);
    if (isNews && !this.#isLetGo) this.#listener.changed();
  }
}

const NEWS = new Set(['STOP', 'RESUME', 'DEVICE_DELETED']);

function statusOf(answer: unknown): string {
  const { status } = asFields(answer);
  if (typeof status === 'string') return status;
  throw new HypemanError('transient', 'QmpRefused', 'QEMU answered query-status without a status');
}
