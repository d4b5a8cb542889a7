import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { HypemanError, messageOf, reasonOf } from '../../errors.ts';
import { listenUnix } from '../../host/listen-unix.ts';
import type { Logger } from '../../log.ts';
import type { AuditTrail } from '../audit-trail.ts';
import type { Decision } from '../audit.ts';
import type { Enforcement } from '../enforcement.ts';
import { parseFields } from './fields.ts';
import type { Fields } from './fields.ts';
import { Lines } from './lines.ts';
import { LONGEST_LINE, idOf, parseRequest, refusalOf } from './words.ts';
import type { Request } from './words.ts';

export type ControlOptions = {
  /** In a directory that only root and this process's own user may enter: that is the whole of the access check. */
  readonly path: string;
  readonly enforcement: Pick<Enforcement, 'put' | 'remove' | 'list'>;
  readonly trail: AuditTrail;
  readonly log: Logger;
};

export type Control = { close(): Promise<void> };

const MAX_CONNECTIONS = 64;
/** A follower that has so much unread is told later how many it missed. */
const UNREAD_LIMIT = 256 * 1024;

/**
 * The door of the egress process: lines of JSON on a unix socket. Nothing ends when a controller goes
 * away; the one that asked for control last has it, and its predecessor's connection is closed.
 */
export async function openControl(options: ControlOptions): Promise<Control> {
  const connections = new Set<Connection>();
  const take = (one: Connection): void => {
    for (const other of connections) if (other !== one && other.isInControl) other.end();
  };
  const server = createServer((socket) => {
    const connection = new Connection(socket, options, take);
    connections.add(connection);
    socket.once('close', () => connections.delete(connection));
  });
  server.maxConnections = MAX_CONNECTIONS;
  const unlink = await listenUnix(server, options.path);
  return {
    async close() {
      await unlink();
      for (const connection of connections) connection.end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One who asks. Requests are answered one after the other, in the order in which they came. */
class Connection {
  readonly #socket: Socket;
  readonly #options: ControlOptions;
  readonly #takeControl: (one: Connection) => void;
  readonly #lines = new Lines(LONGEST_LINE);
  readonly #endings: (() => void)[] = [];
  #last: Promise<void> = Promise.resolve();
  isInControl = false;

  constructor(socket: Socket, options: ControlOptions, takeControl: (one: Connection) => void) {
    this.#socket = socket;
    this.#options = options;
    this.#takeControl = takeControl;
    socket.on('data', (chunk: Buffer) => {
      this.#hear(chunk);
    });
    socket.on('error', () => {
      this.end();
    });
    socket.on('close', () => {
      this.end();
    });
  }

  end(): void {
    this.isInControl = false;
    for (const ending of this.#endings.splice(0)) ending();
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    const lines = this.#lines.push(chunk);
    if (lines === 'too-long') {
      this.#options.log.warn('a control message was too long');
      this.end();
      return;
    }
    for (const line of lines) {
      // What waits in line is read at once, so that nothing is held of it but the request itself.
      const request = this.#read(line);
      if (request === undefined) return;
      this.#last = this.#last.then(() => this.#answer(request));
    }
  }

  /** Who does not even number its messages cannot be answered, only left. */
  #read(line: string): { readonly id: number; readonly fields: Fields } | undefined {
    try {
      const fields = parseFields(line);
      return { id: idOf(fields), fields };
    } catch (error) {
      this.#options.log.warn({ reason: reasonOf(error) }, 'a control message cannot be read');
      this.end();
      return undefined;
    }
  }

  async #answer({ id, fields }: { readonly id: number; readonly fields: Fields }): Promise<void> {
    try {
      const answer = await this.#perform(parseRequest(fields), id);
      this.#say({ id, is: 'done', answer });
    } catch (error) {
      this.#say({ id, ...refusalOf(error) });
      if (reasonOf(error) === 'UnexpectedError')
        this.#options.log.error({ problem: messageOf(error) }, 'a control request failed');
    }
  }

  async #perform(request: Request, id: number): Promise<unknown> {
    const { enforcement, trail } = this.#options;
    switch (request.ask) {
      case 'ping':
        return { pid: process.pid };
      case 'take-control':
        this.#takeControl(this);
        this.isInControl = true;
        return {};
      case 'put-policy':
        this.#needControl();
        return enforcement.put(request.policy, request.revision);
      case 'remove-policy':
        this.#needControl();
        await enforcement.remove(request.instance, request.forget);
        return {};
      case 'list':
        return enforcement.list();
      case 'counters':
        return trail.counters(request.instance);
      case 'decisions':
        this.#tell(id, request);
        return {};
    }
  }

  #needControl(): void {
    if (!this.isInControl)
      throw new HypemanError(
        'transient',
        'NotInControl',
        'another controller has taken over the egress process',
      );
  }

  #tell(id: number, request: { readonly instance?: string; readonly follow: boolean }): void {
    const { trail } = this.#options;
    for (const decision of trail.recent(request.instance)) this.#say({ id, is: 'decision', decision });
    if (!request.follow) return;
    let missed = 0;
    const stop = trail.follow((decision: Decision) => {
      if (request.instance !== undefined && decision.instance !== request.instance) return;
      if (this.#socket.writableLength > UNREAD_LIMIT) {
        missed += 1;
        return;
      }
      if (missed > 0) this.#say({ id, is: 'missed', count: missed });
      missed = 0;
      this.#say({ id, is: 'decision', decision });
    });
    this.#endings.push(stop);
  }

  #say(message: object): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }
}
