import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { answerFailure, writeFailure } from './answer.ts';
import type { Visit } from './guest.ts';
import { tellFailure } from './guest.ts';
import type { Host } from './host-name.ts';
import { exchange } from './http1-exchange.ts';
import type { Limits } from './limits.ts';
import { refusal } from './refusal.ts';
import type { Target } from './request-target.ts';
import { targetInTunnel, targetOfAbsolute, targetOfPlain } from './request-target.ts';
import { isWebSocket, upgrade } from './websocket.ts';

/** A connection on which requests come in; `host` where TLS has settled it. */
export type Http1Visit = Visit & {
  readonly host?: Host;
  /** Where CONNECT is answered. */
  connect?(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** The first request came. */
  settled?(): void;
};

const visits = new WeakMap<Duplex, Http1Visit>();

/** Serves HTTP/1.1 on a connection that was accepted, and perhaps decrypted, elsewhere. */
export function serveHttp1(visit: Http1Visit, socket: Socket): void {
  visits.set(socket, visit);
  visit.guest.parts.http1Server.emit('connection', socket);
}

/** The one server behind all listeners. It never listens itself: see `serveHttp1`. */
export function openHttp1Server(limits: Limits): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    // An upload may take hours; its standing still is noticed by the pump.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersMs),
    insecureHTTPParser: false,
    requireHostHeader: true,
    shouldUpgradeCallback: isWebSocket,
  });
  // Node drops fields beyond 1,000 silently; the limit in bytes still holds.
  server.maxHeadersCount = 0;
  server.on('request', (request, response) => {
    onRequest(request, response);
  });
  server.on('checkContinue', onRequest);
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    fail(request, response, refusal('ExpectationFailed', 'only "100-continue" can be expected'));
  });
  server.on('upgrade', onUpgrade);
  server.on('connect', onConnect);
  server.on('clientError', onClientError);
  // This server never listens, and its checks for stalled heads begin with `listening` (Node 24, tested).
  server.emit('listening');
  return server;
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  const visit = visits.get(request.socket);
  if (visit === undefined) {
    request.socket.destroy();
    return;
  }
  visit.settled?.();
  // Errors of the guest's side end in `close`, which every exchange watches.
  request.on('error', ignore);
  response.on('error', ignore);
  try {
    void exchange({ visit, request, response, target: targetOf(visit, request), port: portOf(visit) });
  } catch (error) {
    fail(request, response, error);
  }
}

function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const visit = visits.get(socket);
  socket.on('error', ignore);
  if (visit === undefined) {
    socket.destroy();
    return;
  }
  visit.settled?.();
  try {
    void upgrade({ visit, request, socket, head, target: targetOf(visit, request), port: portOf(visit) });
  } catch (error) {
    tellFailure(visit, visit.host?.name ?? '', error);
    writeFailure(socket, error);
  }
}

function onConnect(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const visit = visits.get(socket);
  socket.on('error', ignore);
  if (visit?.connect !== undefined && socket instanceof Socket) visit.connect(request, socket, head);
  else writeFailure(socket, refusal('MethodRefused', 'CONNECT is not allowed here'));
}

function onClientError(error: Error & { code?: string }, socket: Duplex): void {
  const visit = visits.get(socket);
  // What the parser or its clock refused is worth a line; a connection that was simply cut is not.
  const isParser = error.code?.startsWith('HPE_') === true || error.code?.startsWith('ERR_HTTP_') === true;
  if (visit !== undefined && isParser) {
    const reason = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'RequestTimeout' : 'BadRequest';
    const oversize = error.code === 'HPE_HEADER_OVERFLOW';
    const refused = refusal(oversize ? 'HeadersTooLarge' : reason, 'the request cannot be read');
    tellFailure(visit, visit.host?.name ?? '', refused);
    writeFailure(socket, refused);
  } else socket.destroy();
}

function targetOf(visit: Http1Visit, request: IncomingMessage): Target {
  if (visit.host !== undefined) return targetInTunnel(request, visit.host);
  return visit.way === 'explicit' ? targetOfAbsolute(request) : targetOfPlain(request);
}

function portOf(visit: Http1Visit): 80 | 443 {
  return visit.host === undefined ? 80 : 443;
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const visit = visits.get(request.socket);
  if (visit !== undefined) tellFailure(visit, visit.host?.name ?? '', error);
  answerFailure(response, error);
  request.resume();
}

function ignore(): void {
  // Told by `close`.
}
