import { Agent, request as httpRequest } from 'node:http';
import type { ClientRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { Dial } from './dial.ts';
import type { Host } from './host-name.ts';
import type { Limits } from './limits.ts';

/** Where a request goes: port 443 is TLS, port 80 is not. */
export type Origin = { readonly host: Host; readonly port: 80 | 443 };

export type Http1Request = {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, in the order and letter case they are to be sent. */
  readonly fields: readonly string[];
};

/**
 * Connections to upstreams for one instance; never shared with another, so that whatever a guest does to
 * one can only hurt itself.
 */
export type Http1Pool = {
  /**
   * Resolves when a connection is at hand; undefined when one is already. Only then may a secret be looked
   * up: one that waits for a dial could be an old one by the time it is sent.
   */
  ready(origin: Origin): Promise<void> | undefined;
  /** Uses the connection that `ready` promised; to be called in the same turn of the event loop. */
  request(origin: Origin, request: Http1Request): ClientRequest;
  /** Gives a connection that was dialled for another reason. */
  add(origin: Origin, socket: Socket): void;
  close(): void;
};

export function openHttp1Pool(dial: Dial, limits: Limits): Http1Pool {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64, timeout: limits.pooledMs });
  const spares = new Map<string, Socket[]>();
  const add = (origin: Origin, socket: Socket): void => {
    addSpare(spares, keyOf(origin), socket, limits.pooledMs);
  };
  // Called only when no idle connection is there, which `ready` has seen to.
  agent.createConnection = (options) => {
    const spare = spares.get(`${String(options.host)}:${String(options.port)}`)?.pop();
    if (spare === undefined) throw new Error('no connection was made ready');
    return spare;
  };
  return {
    add,
    ready: (origin) => {
      const { name: host } = origin.host;
      const idle = agent.freeSockets[agent.getName({ host, port: origin.port })];
      if (idle?.some((socket) => !socket.destroyed) === true) return undefined;
      if ((spares.get(keyOf(origin))?.length ?? 0) > 0) return undefined;
      return dialled(dial, origin).then((socket) => {
        add(origin, socket);
      });
    },
    request: (origin, { method, path, fields }) =>
      httpRequest({
        agent,
        host: origin.host.name,
        port: origin.port,
        method,
        path,
        headers: fields,
        setHost: false,
        insecureHTTPParser: false,
        maxHeaderSize: 65_536,
        timeout: limits.idleMs,
      }),
    close: () => {
      agent.destroy();
      for (const socket of [...spares.values()].flat()) socket.destroy();
    },
  };
}

async function dialled(dial: Dial, { host, port }: Origin): Promise<Socket> {
  return port === 443 ? await dial.tls(host, port, ['http/1.1']) : await dial.tcp(host, port);
}

function addSpare(spares: Map<string, Socket[]>, key: string, socket: Socket, ms: number): void {
  const sockets = spares.get(key) ?? [];
  spares.set(key, sockets);
  sockets.push(socket);
  const forget = (): void => {
    const at = sockets.indexOf(socket);
    if (at >= 0) sockets.splice(at, 1);
    if (sockets.length === 0 && spares.get(key) === sockets) spares.delete(key);
  };
  socket.once('close', forget);
  socket.setTimeout(ms, () => {
    // In use it has another timeout and another listener; idle here, nobody wanted it.
    if (sockets.includes(socket)) socket.destroy();
  });
}

function keyOf(origin: Origin): string {
  return `${origin.host.name}:${origin.port}`;
}
