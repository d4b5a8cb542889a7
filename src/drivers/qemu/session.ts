import { HypemanError, messageOf } from '../../errors.ts';
import { connectUnix } from '../../host/unix-socket.ts';
import type { MachineEnd, MachineState, ProcessIdentity } from '../../machine/machine.ts';
import { ANSWER_WITHIN_MS, within } from './deadline.ts';
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
      return { state, process: this.identity };
    } catch (error) {
      if (this.#end !== undefined) return { state: 'shutdown', process: this.identity };
      return { state: 'unknown', process: this.identity, error: `QEMU does not answer: ${messageOf(error)}` };
    }
  }

  /** Throws `MachineUnreachable` past the deadline, `QmpClosed` or `QmpRefused`. */
  async execute(
    command: string,
    { args, withinMs = ANSWER_WITHIN_MS }: { readonly args?: Fields; readonly withinMs?: number } = {},
  ): Promise<void> {
    await within(
      this.#connected().then((connection) => connection.execute(command, args)),
      withinMs,
      command,
    );
  }

  /** Closes the connection; nothing is told any more. */
  letGo(): void {
    this.#isLetGo = true;
    this.#stream?.close();
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
    const isNews = end !== undefined || event === 'STOP' || event === 'RESUME';
    if (isNews && !this.#isLetGo) this.#listener.changed();
  }
}

function statusOf(answer: unknown): string {
  const { status } = asFields(answer);
  if (typeof status === 'string') return status;
  throw new HypemanError('transient', 'QmpRefused', 'QEMU answered query-status without a status');
}
