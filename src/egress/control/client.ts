import type { Socket } from 'node:net';
import { HypemanError } from '../../errors.ts';
import { connectUnix } from '../../host/unix-socket.ts';
import type { InstanceCounters } from '../audit-trail.ts';
import type { Followed, InForce } from '../egress.ts';
import type { Policy } from '../policy.ts';
import { parseCounters, parseFollowed } from './answers.ts';
import { fieldsIn, listIn, oneOf, parseFields, textsIn, wholeIn } from './fields.ts';
import type { Fields } from './fields.ts';
import { Lines } from './lines.ts';
import { policyText } from './policy-text.ts';
import { LONGEST_LINE, idOf, parseInForce, parseRefusal } from './words.ts';
import type { Listed } from './words.ts';

/** A swap takes a millisecond; a busy host more. */
const ANSWER_WITHIN_MS = 10_000;
const MOST_INSTANCES = 1_000_000;
/** What the number of a message adds to it, at the most. */
const LONGEST_ID = 64;

/** A conversation with the egress process, from connection to end; whoever needs another one makes it. */
export type ControlClient = {
  /** The pid of who answers. */
  ping(withinMs?: number): Promise<number>;
  takeControl(): Promise<void>;
  putPolicy(policy: Policy, revision: string): Promise<InForce>;
  removePolicy(instance: string, forget: boolean): Promise<void>;
  list(): Promise<Listed>;
  counters(instance?: string): Promise<readonly InstanceCounters[]>;
  /** Calls back until the answer, which comes at once unless `follow`; then until the end of the connection. */
  decisions(
    ask: { readonly instance?: string; readonly follow: boolean },
    listener: (told: Followed) => void,
  ): Promise<void>;
  /** Resolves when the connection is over, whoever ended it. */
  readonly ended: Promise<void>;
  end(): void;
};

/** Throws transient `SocketUnreachable` when nobody listens; every call throws `ProxyUnavailable` once it ended. */
export async function connectControl(path: string): Promise<ControlClient> {
  const talk = new Talk(await connectUnix(path));
  return {
    ping: async (withinMs) => wholeIn(fieldsIn(await talk.ask({ ask: 'ping' }, withinMs), 'answer'), 'pid'),
    takeControl: async () => {
      await talk.ask({ ask: 'take-control' });
    },
    putPolicy: async (policy, revision) => parseInForce(await talk.ask(putting(policy, revision))),
    removePolicy: async (instance, forget) => {
      await talk.ask({ ask: 'remove-policy', instance, forget });
    },
    list: async () => parseListed(await talk.ask({ ask: 'list' })),
    counters: async (instance) => parseCounters(await talk.ask({ ask: 'counters', instance })),
    decisions: async (ask, listener) => {
      await talk.ask({ ask: 'decisions', ...ask }, ANSWER_WITHIN_MS, (fields) => {
        listener(parseFollowed(fields));
      });
      if (ask.follow) await talk.ended;
    },
    ended: talk.ended,
    end: () => {
      talk.end();
    },
  };
}

type Waiting = {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
};

class Talk {
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #lines = new Lines(LONGEST_LINE);
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<number, (fields: Fields) => void>();
  #lastId = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#hear(chunk);
    });
    socket.on('error', () => {
      this.end();
    });
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.end();
        resolve();
      });
    });
  }

  /** `listener` hears what comes beside the answer, before and after it. */
  ask(message: object, withinMs = ANSWER_WITHIN_MS, listener?: (fields: Fields) => void): Promise<unknown> {
    if (this.#socket.destroyed) return Promise.reject(unavailable('its connection ended'));
    this.#lastId += 1;
    const id = this.#lastId;
    if (listener !== undefined) this.#listeners.set(id, listener);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // What it would answer later is nobody's; a new connection begins with a clean slate.
        this.end(`it did not answer within ${withinMs / 1000} s`);
      }, withinMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ ...message, id })}\n`);
    });
  }

  end(why = 'its connection ended'): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(unavailable(why));
    }
    this.#waiting.clear();
    this.#listeners.clear();
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    try {
      const lines = this.#lines.push(chunk);
      if (lines === 'too-long') this.end('it said more than was asked');
      else for (const line of lines) this.#take(parseFields(line));
    } catch {
      this.end('it said what is no answer');
    }
  }

  #take(fields: Fields): void {
    const id = idOf(fields);
    const is = oneOf(fields, 'is', ['done', 'refused', 'decision', 'missed']);
    if (is === 'decision' || is === 'missed') {
      this.#listeners.get(id)?.(fields);
      return;
    }
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (is === 'done') waiting.resolve(fields.answer);
    else waiting.reject(parseRefusal(fields));
  }
}

/** The process would end the conversation, and with it everybody's. Throws transient `PolicyTooLarge`: the next may be smaller. */
function putting(policy: Policy, revision: string): object {
  const message = { ask: 'put-policy', policy: policyText(policy), revision };
  if (Buffer.byteLength(JSON.stringify(message)) <= LONGEST_LINE - LONGEST_ID) return message;
  throw new HypemanError(
    'transient',
    'PolicyTooLarge',
    `the rules of ${policy.key} and their values are more than ${LONGEST_LINE / 1024 ** 2} MiB together: take some out`,
  );
}

export function unavailable(why: string): HypemanError {
  return new HypemanError('transient', 'ProxyUnavailable', `the egress process cannot be reached: ${why}`);
}

function parseListed(answer: unknown): Listed {
  const fields = fieldsIn(answer, 'answer');
  return {
    inForce: listIn(fields, 'inForce', MOST_INSTANCES).map(parseInForce),
    kept: textsIn(fields, 'kept', MOST_INSTANCES, 64),
  };
}
