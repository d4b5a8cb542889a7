import { request } from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Duplex, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { InstanceCounters } from '../egress/audit-trail.ts';
import type { Followed } from '../egress/egress.ts';
import { HypemanError } from '../errors.ts';
import type { GuestStat } from '../guest/guest-links.ts';
import { errorCode } from '../host/files.ts';
import type { ProcessMemory } from '../host/process-memory.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Ping } from '../serve/control-socket.ts';
import { EXEC_PROTOCOL } from '../serve/exec-frames.ts';
import { DECISIONS_PATH, PING_PATH, instancePath } from '../serve/routes.ts';
import { countersIn, faultIn, followedIn, memoryIn, pingIn, statIn } from './controller-answers.ts';

/** A running controller, asked over its socket, wherever that is. */
export type ControllerClient = {
  /** `absent`: nobody listens. `unknown`: somebody may, but does not say who he is. */
  ping(): Promise<Ping | 'absent' | 'unknown'>;
  stat(key: InstanceKey, path: string): Promise<GuestStat | undefined>;
  /** Throws `FileNotFound`. The stream fails when the file did not come whole. */
  read(key: InstanceKey, path: string): Promise<Readable>;
  write(key: InstanceKey, path: string, mode: number, content: Readable): Promise<void>;
  /** What the egress proxy decided about one instance, or about all; ends with the signal or the controller. */
  decisions(ask: DecisionsAsked): AsyncGenerator<Followed>;
  /** Undefined when nothing was decided about the instance yet. */
  counters(key: InstanceKey): Promise<InstanceCounters | undefined>;
  /** What its VMM takes now; undefined when none runs. */
  memory(key: InstanceKey, signal: AbortSignal): Promise<ProcessMemory | undefined>;
  /** An open connection that speaks `EXEC_PROTOCOL`. */
  openExec(key: InstanceKey): Promise<Duplex>;
};

export type DecisionsAsked = {
  readonly key?: InstanceKey;
  readonly follow: boolean;
  readonly signal: AbortSignal;
};

const PING_MS = 2000;

/** The controller of a run directory. Connects anew for each call. All but `ping` throw `NoController`, or what it refuses. */
export function controllerAt(socketPath: string): ControllerClient {
  return clientOver({ socketPath });
}

/** A controller to which `connect` opens a way. All but `ping` throw what `connect` does, or what the controller refuses. */
export function controllerOver(connect: () => Promise<Duplex>): ControllerClient {
  return clientOver({
    createConnection: (_options, connected) => {
      connect().then(
        (connection) => {
          connected(null, connection);
        },
        (error: unknown) => {
          // The type wants a connection beside the error; Node looks at the error first.
          connected(error instanceof Error ? error : new Error(String(error)), new PassThrough());
        },
      );
      return undefined;
    },
  });
}

type Way = Pick<RequestOptions, 'socketPath' | 'createConnection'>;

function clientOver(way: Way): ControllerClient {
  const ask = (options: RequestOptions, body?: Readable): Promise<IncomingMessage> =>
    answerOf({ ...options, ...way }, body);
  return {
    ping: () => pingAt(ask),
    stat: async (key, path) => {
      try {
        return statIn(await text(await ask({ path: fileUrl(key, 'stat', { path }) })));
      } catch (error) {
        if (error instanceof HypemanError && error.reason === 'FileNotFound') return undefined;
        throw error;
      }
    },
    read: (key, path) => ask({ path: fileUrl(key, 'file', { path }) }),
    write: async (key, path, mode, content) => {
      const url = fileUrl(key, 'file', { path, mode: mode.toString(8) });
      (await ask({ method: 'PUT', path: url }, content)).resume();
    },
    decisions: (asked) => decisionsFrom(ask, asked),
    counters: async (key) => countersIn(await text(await ask({ path: instancePath(key, 'counters') }))),
    memory: async (key, signal) =>
      memoryIn(await text(await ask({ path: instancePath(key, 'memory'), signal }))),
    openExec: (key) => openExec(way, key),
  };
}

type Ask = (options: RequestOptions, body?: Readable) => Promise<IncomingMessage>;

async function pingAt(ask: Ask): Promise<Ping | 'absent' | 'unknown'> {
  try {
    return pingIn(await text(await ask({ path: PING_PATH, timeout: PING_MS }))) ?? 'unknown';
  } catch (error) {
    return error instanceof HypemanError && error.reason === 'NoController' ? 'absent' : 'unknown';
  }
}

/** The signal ends the stream without an error. */
async function* decisionsFrom(ask: Ask, { key, follow, signal }: DecisionsAsked): AsyncGenerator<Followed> {
  const path = key === undefined ? DECISIONS_PATH : instancePath(key, 'decisions');
  try {
    yield* followedIn(await ask({ path: `${path}?follow=${follow}`, signal }));
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof HypemanError ? error : cut(error);
  }
}

async function answerOf(options: RequestOptions, body: Readable | undefined): Promise<IncomingMessage> {
  const outgoing = request(options);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve);
    outgoing.once('timeout', () => outgoing.destroy(new Error('the controller does not answer')));
    outgoing.on('error', (error) => {
      reject(unreachable(options, error));
    });
  });
  if (body === undefined) outgoing.end();
  // The controller may refuse before it has read all; then its answer counts and not the broken pipe.
  else void pipeline(body, outgoing).catch(() => undefined);
  return accepted(await answered);
}

async function openExec(way: Way, key: InstanceKey): Promise<Duplex> {
  const outgoing = request({
    ...way,
    method: 'POST',
    path: instancePath(key, 'exec'),
    headers: { connection: 'Upgrade', upgrade: EXEC_PROTOCOL },
  });
  return new Promise((resolve, reject) => {
    outgoing.once('upgrade', (_response, connection: Duplex, head) => {
      if (head.length > 0) connection.unshift(head);
      resolve(connection);
    });
    outgoing.once('response', (response) => {
      accepted(response).then(() => {
        reject(new HypemanError('transient', 'NoExec', 'the controller does not offer exec'));
      }, reject);
    });
    outgoing.on('error', (error) => {
      reject(unreachable(way, error));
    });
    outgoing.end();
  });
}

async function accepted(response: IncomingMessage): Promise<IncomingMessage> {
  const status = response.statusCode ?? 500;
  if (status < 300) return response;
  throw faultIn(await text(response), status);
}

function fileUrl(key: InstanceKey, verb: 'stat' | 'file', query: Readonly<Record<string, string>>): string {
  return `${instancePath(key, verb)}?${new URLSearchParams(query).toString()}`;
}

function cut(cause: unknown): HypemanError {
  return new HypemanError('transient', 'ConnectionLost', 'the connection to the controller was lost', {
    cause,
  });
}

function unreachable({ socketPath: path }: Way, cause: unknown): HypemanError {
  if (cause instanceof HypemanError) return cause;
  if (path === undefined) return cut(cause);
  const code = errorCode(cause);
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR')
    return new HypemanError(
      'transient',
      'NoController',
      `no controller answers on ${path}: start it with hypeman-controller --watch DIR, or name its --run-dir`,
      { cause },
    );
  const hint = code === 'EACCES' ? ' (only root may: try sudo)' : '';
  return new HypemanError('transient', 'ControllerUnreachable', `cannot speak to ${path}${hint}`, { cause });
}
