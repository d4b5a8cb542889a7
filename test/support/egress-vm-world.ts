import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer as createPlain } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { createServer as createTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { openAuthority } from '../../src/egress/authority/open-authority.ts';
import { answerNames } from './egress-vm-names.ts';
import { openRepository } from './egress-vm-repository.ts';
import { echoWebSocket } from './egress-vm-websocket.ts';

export type WorldEvent = { readonly at: number } & (
  | {
      readonly is: 'request' | 'websocket';
      readonly method: string;
      readonly url: string;
      readonly version: string;
      readonly sni: string;
      readonly rawHeaders: readonly string[];
      /** Which connection it came on, counted from 1. */
      readonly connection: number;
    }
  | { readonly is: 'uploaded'; readonly url: string; readonly bytes: number }
  | { readonly is: 'websocket-closed'; readonly url: string }
  | { readonly is: 'name'; readonly name: string; readonly type: string }
);

/**
 * The internet of the egress suites, a program that runs in a network namespace of its own:
 * `egress-vm-world.ts DIRECTORY ADDRESS SINK NAME…`. Each name is a host on ADDRESS, with HTTPS (HTTP/2 and
 * 1.1), HTTP and DNS; SINK takes any TCP. Writes `DIRECTORY/ca.pem`, says `ready`, then each event as JSON.
 */
const [directory = '', address = '', sink = '', ...names] = process.argv.slice(2);

function tell(event: WorldEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const authority = await openAuthority({ directory: `${directory}/authority` });
await authority.open('world');
await writeFile(`${directory}/ca.pem`, authority.certificateOf('world'));
const serveRepository = await openRepository(`${directory}/repositories`);

let connections = 0;
const numbers = new WeakMap<object, number>();

function numberOf(socket: object): number {
  const known = numbers.get(socket);
  if (known !== undefined) return known;
  connections += 1;
  numbers.set(socket, connections);
  return connections;
}

/** The TLS connection below, for HTTP/2 too. */
function socketOf(request: IncomingMessage): Socket {
  const { stream } = request as { stream?: { session?: { socket?: Socket } } };
  return stream?.session?.socket ?? request.socket;
}

function note(request: IncomingMessage, is: 'request' | 'websocket' = 'request'): void {
  const { rawHeaders, url = '', method = '', httpVersion } = request;
  const socket = socketOf(request);
  const { servername } = socket as { servername?: string | false };
  const sni = typeof servername === 'string' ? servername : '';
  tell({
    ...{ is, at: Date.now(), method, url, version: httpVersion, sni, rawHeaders },
    connection: numberOf(socket),
  });
}

async function takeUpload(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of request) {
    digest.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  tell({ is: 'uploaded', at: Date.now(), url: request.url ?? '', bytes });
  response.end(JSON.stringify({ bytes, sha256: digest.digest('hex') }));
}

async function sendEvents(response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (let number = 0; number < 4; number += 1) {
    response.write(`data: ${number}\n\n`);
    await sleep(500);
  }
  response.end('event: end\n\n');
}

async function sendBytes(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const mebibytes = Number(/mb=(\d+)/.exec(request.url ?? '')?.[1] ?? 1);
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  for (let sent = 0; sent < mebibytes; sent += 1)
    if (!response.write(Buffer.alloc(1 << 20))) await once(response, 'drain');
  response.end();
}

/** As gRPC's own echo would: messages are sent back as they come, status 0 in the trailers. */
function echoGrpc(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/grpc' });
  request.on('data', (chunk: Buffer) => response.write(chunk));
  request.on('end', () => {
    response.addTrailers({ 'grpc-status': '0' });
    response.end();
  });
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** By the first part of the path; the rest of the world says `ok`. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  upload: takeUpload,
  events: (_request, response) => sendEvents(response),
  bytes: sendBytes,
  redirect: (_request, response) => {
    response.writeHead(302, { location: `https://${names[1] ?? ''}/echo?case=redirected` }).end();
  },
  'repository.git': serveRepository,
  'test.Echo': echoGrpc,
};

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  note(request);
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  const [, first = ''] = (request.url ?? '').split(/[/?]/);
  const known = ANSWERS[first];
  if (known === undefined) response.end('ok');
  else await known(request, response);
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  answer(request, response).catch(() => request.destroy());
}

const secure = createSecureServer({
  allowHTTP1: true,
  SNICallback: (name, done) => {
    done(null, authority.contextFor('world', name));
  },
});
secure.on('request', onRequest as never);
secure.on('upgrade', (request: IncomingMessage, socket: TLSSocket) => {
  note(request, 'websocket');
  echoWebSocket(request, socket);
  socket.on('close', () => {
    tell({ is: 'websocket-closed', at: Date.now(), url: request.url ?? '' });
  });
});
secure.on('sessionError', () => undefined);
secure.on('tlsClientError', () => undefined);
const plain = createPlain(onRequest);
const open = createTcp((socket) => {
  socket.on('error', () => undefined);
  socket.end('sink\n');
});

secure.listen(443, address);
plain.listen(80, address);
open.listen(5432, sink);
await Promise.all([secure, plain, open].map((server) => once(server, 'listening')));
await answerNames(address, names, (name, type) => {
  tell({ is: 'name', at: Date.now(), name, type });
});
process.stdout.write('ready\n');
