import type { Duplex } from 'node:stream';
import { HypemanError } from '../../errors.ts';
import { asFields, parseFields } from './fields.ts';
import type { Fields } from './fields.ts';

export type QmpListener = {
  readonly event: (name: string, data: Fields) => void;
  /** Once, whoever ended the connection and for whatever reason. */
  readonly closed: () => void;
};

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void };

/** Our longest answer is a few hundred bytes. A VMM that its guest took over may send anything. */
const LONGEST_LINE = 256 * 1024;

/**
 * One QMP connection (QEMU's docs/interop/qmp-spec): greeting, capabilities, then commands with ids
 * and events in between. Whatever breaks the protocol ends the connection, and that fails every
 * command that waits. Deadlines are the caller's.
 */
export class QmpConnection {
  /** Resolves when commands may be sent; rejects when the connection ends before. */
  readonly ready: Promise<void>;
  readonly #stream: Duplex;
  readonly #listener: QmpListener;
  readonly #waiting = new Map<number, Waiting>();
  readonly #greeting = Promise.withResolvers<unknown>();
  #lastId = 0;
  #partial = '';
  #closed = false;

  constructor(stream: Duplex, listener: QmpListener) {
    this.#stream = stream;
    this.#listener = listener;
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      this.#read(text);
    });
    stream.on('error', () => undefined);
    stream.on('end', () => stream.destroy());
    stream.once('close', () => {
      this.#ended();
    });
    this.ready = this.#greeting.promise.then(async () => {
      await this.execute('qmp_capabilities');
    });
    this.ready.catch(() => undefined);
  }

  /** The command's return value; a transient `QmpRefused` when QEMU says no, `QmpClosed` when it goes. */
  async execute(command: string, args?: Fields): Promise<unknown> {
    if (this.#closed) throw closedError();
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#stream.write(
      `${JSON.stringify({ execute: command, ...(args === undefined ? {} : { arguments: args }), id })}\n`,
    );
    return answer.promise;
  }

  close(): void {
    this.#stream.destroy();
  }

  #read(text: string): void {
    const lines = (this.#partial + text).split('\n');
    this.#partial = lines.pop() ?? '';
    if (this.#partial.length > LONGEST_LINE) {
      this.close();
      return;
    }
    for (const line of lines) {
      const message = line.length > LONGEST_LINE ? undefined : parseFields(line);
      if (message === undefined) {
        this.close();
        return;
      }
      this.#take(message);
    }
  }

  #take(message: Fields): void {
    if ('QMP' in message) this.#greeting.resolve(message.QMP);
    else if (typeof message.event === 'string') this.#listener.event(message.event, asFields(message.data));
    else if (typeof message.id === 'number') this.#answer(message.id, message);
    // Anything else is an error without an id: QEMU could not read us, which no command of ours causes.
  }

  #answer(id: number, message: Fields): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting === undefined) return;
    if (!('error' in message)) {
      waiting.resolve(message.return);
      return;
    }
    const said = asFields(message.error).desc;
    const text = typeof said === 'string' ? said.slice(0, 500) : 'it gave no reason';
    waiting.reject(new HypemanError('transient', 'QmpRefused', `QEMU refused: ${text}`));
  }

  #ended(): void {
    this.#closed = true;
    this.#greeting.reject(closedError());
    for (const waiting of this.#waiting.values()) waiting.reject(closedError());
    this.#waiting.clear();
    this.#listener.closed();
  }
}

function closedError(): HypemanError {
  return new HypemanError('transient', 'QmpClosed', 'QEMU closed its control connection');
}
