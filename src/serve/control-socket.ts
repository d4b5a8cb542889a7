import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HypemanError, messageOf, reasonOf } from '../errors.ts';
import type { GuestLinks } from '../guest/guest-links.ts';
import { listenUnix } from '../host/listen-unix.ts';
import type { Logger } from '../log.ts';
import type { InstanceId, InstanceKey } from '../machine/ids.ts';
import type { ProcessIdentity } from '../machine/machine.ts';
import { bridgeExec } from './exec-bridge.ts';
import { sendCounters, sendDecisions } from './egress-routes.ts';
import type { AuditedEgress } from './egress-routes.ts';
import { EXEC_PROTOCOL } from './exec-frames.ts';
import { sendFile, sendStat, takeFile } from './file-routes.ts';
import { sendMemory } from './memory-route.ts';
import { routeOf } from './routes.ts';
import type { EgressRoute, FileRoute } from './routes.ts';
import { httpStatusOf } from './http-status.ts';

/** Whom a key stands for now, and whether its init offers exec and files at all (skipGuestAgent). */
type ReachableGuest = { readonly id: InstanceId; readonly agent: boolean };

export type ControlSocketOptions = {
  /** `/run/hypeman/controller.sock` */
  readonly path: string;
  readonly links: GuestLinks;
  readonly egress: AuditedEgress;
  readonly resolve: (key: InstanceKey) => ReachableGuest | undefined;
  /** The VMM of an instance; undefined when none runs. */
  readonly processOf: (key: InstanceKey) => Promise<ProcessIdentity | undefined>;
  readonly log: Logger;
  readonly version: string;
};

/** What `GET /v1/ping` answers: who the controller is. `since` is RFC 3339. */
export type Ping = { readonly pid: number; readonly version: string; readonly since: string };

export type ControlSocket = { close(): Promise<void> };

const MAX_CONNECTIONS = 256;

/**
 * The door for `exec`, `cp`, `egress` and everybody who asks whether a controller runs: HTTP on a unix socket that
 * only root may open. Throws `SocketInUse` when another controller holds it.
 */
export async function openControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const since = new Date().toISOString();
  const ping: Ping = { pid: process.pid, version: options.version, since };
  const server = createServer((request, response) => {
    void answer(options, ping, request, response);
  });
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) => {
    upgraded.add(client);
    client.once('close', () => upgraded.delete(client));
    upgrade(options, request, client, head);
  });
  // A big file may take longer than Node's five minutes for a request; its head may not.
  server.requestTimeout = 0;
  server.headersTimeout = 10_000;
  server.maxConnections = MAX_CONNECTIONS;
  const unlink = await listenUnix(server, options.path);
  return {
    async close() {
      await unlink();
      for (const client of upgraded) client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  options: ControlSocketOptions,
  ping: Ping,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const route = routeOf(request.method ?? '', request.url ?? '');
    if (route.is === 'ping') sendJson(response, 200, ping);
    else if (route.is === 'exec') throw upgradeNeeded();
    else if (route.is === 'memory') await sendMemory(await options.processOf(route.key), response);
    else if (route.is === 'decisions' || route.is === 'counters')
      await answerEgress(options, route, response);
    else await answerFile(options, route, request, response);
  } catch (error) {
    refuse(response, error);
    if (reasonOf(error) === 'UnexpectedError') options.log.error({ err: error }, 'control request failed');
  }
}

async function answerEgress(
  options: ControlSocketOptions,
  route: EgressRoute,
  response: ServerResponse,
): Promise<void> {
  const { egress } = options;
  if (route.is === 'counters') {
    await sendCounters(egress, guestOf(options, route.key).id, response);
    return;
  }
  const { key, follow } = route;
  const one = key === undefined ? {} : { instance: guestOf(options, key).id };
  await sendDecisions(egress, { ...one, follow }, response);
}

async function answerFile(
  options: ControlSocketOptions,
  route: FileRoute,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const id = reach(options, route.key);
  if (route.is === 'stat') await sendStat(options.links, id, route.path, response);
  else if (route.is === 'read') await sendFile(options.links, id, route.path, response);
  else await takeFile(options.links, id, route, { request, response });
}

function upgrade(
  options: ControlSocketOptions,
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
): void {
  try {
    const route = routeOf(request.method ?? '', request.url ?? '');
    if (route.is !== 'exec' || request.headers.upgrade !== EXEC_PROTOCOL) throw upgradeNeeded();
    const id = reach(options, route.key);
    if (head.length > 0) client.unshift(head);
    client.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${EXEC_PROTOCOL}\r\n\r\n`,
    );
    void bridgeExec(client, options.links, id);
  } catch (error) {
    const body = JSON.stringify(faultOf(error));
    client.on('error', () => undefined);
    client.end(
      `HTTP/1.1 ${httpStatusOf(error)} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

function guestOf(options: ControlSocketOptions, key: InstanceKey): ReachableGuest {
  const guest = options.resolve(key);
  if (guest === undefined)
    throw new HypemanError('invalid', 'NotFound', `instance ${key} has no machine on this host`);
  return guest;
}

function reach(options: ControlSocketOptions, key: InstanceKey): InstanceId {
  const guest = guestOf(options, key);
  if (!guest.agent)
    throw new HypemanError(
      'invalid',
      'AgentSkipped',
      `instance ${key} runs without a guest agent (skipGuestAgent)`,
    );
  return guest.id;
}

function refuse(response: ServerResponse, error: unknown): void {
  // Once the body has begun, only a cut connection can say that it is not whole.
  if (response.headersSent) response.destroy();
  else sendJson(response, httpStatusOf(error), faultOf(error));
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function faultOf(error: unknown): { reason: string; message: string } {
  return { reason: reasonOf(error), message: messageOf(error) };
}

function upgradeNeeded(): HypemanError {
  return new HypemanError('invalid', 'UpgradeRequired', `exec needs an upgrade to ${EXEC_PROTOCOL}`);
}
