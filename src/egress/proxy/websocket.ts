import { createHash } from 'node:crypto';
import { ServerResponse, STATUS_CODES } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { answerFailure, writeFailure } from './answer.ts';
import type { Visit } from './guest.ts';
import { policyOf, tellFailure } from './guest.ts';
import { writtenHost } from './host-name.ts';
import type { Origin } from './http1-pool.ts';
import { tellForwarded, tellLeaks } from './verdicts.ts';
import { answered, relayResponse } from './http1-response.ts';
import type { Echo, Outgoing } from './outgoing.ts';
import { isStillGranted, outgoingFields, pairsOf, scrubbed } from './outgoing.ts';
import { refusal } from './refusal.ts';
import type { Target } from './request-target.ts';
import { joinSockets } from './tunnel.ts';

export type Upgrade = {
  readonly visit: Visit;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What the guest sent after its handshake. */
  readonly head: Buffer;
  readonly target: Target;
  readonly port: Origin['port'];
};

/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The only upgrade that is passed on; `h2c` and others are answered as plain requests without it. */
export function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.trim().toLowerCase() === 'websocket';
}

/** Sets the headers in the handshake; after it the connection is opaque. Never throws. */
export async function upgrade(it: Upgrade): Promise<void> {
  const { visit, socket, target, port } = it;
  try {
    checkHandshake(it.request);
    const ready = visit.guest.http1.ready({ host: target.host, port });
    if (ready !== undefined) await ready;
    if (!socket.destroyed) handshake(it);
  } catch (error) {
    tellFailure(visit, target.host.name, error);
    writeFailure(socket, error);
  }
}

function checkHandshake({ method, headers }: IncomingMessage): void {
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
  if (method !== 'GET' || hasBody || headers['sec-websocket-key'] === undefined)
    throw refusal('UpgradeRefused', 'this is not a WebSocket handshake');
}

function handshake(it: Upgrade): void {
  const { visit, request, socket, target, port } = it;
  const to = { policy: policyOf(visit.guest), host: target.host, path: target.path, isTls: port === 443 };
  const outgoing = outgoingFields(pairsOf(request.rawHeaders), to);
  tellLeaks(visit, target, outgoing);
  const fields = [
    ['Host', writtenHost(target.host)],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ];
  const upstream = visit.guest.http1.request(
    { host: target.host, port },
    { method: 'GET', path: target.path, fields: [...fields, ...outgoing.fields].flat() },
  );
  const release = holdUpgrade(it, upstream, outgoing);
  upstream.on('error', (error) => {
    release();
    tellFailure(visit, target.host.name, error);
    writeFailure(socket, error);
  });
  upstream.on('timeout', () => upstream.destroy(refusal('UpstreamTimeout', 'the destination fell silent')));
  upstream.once('upgrade', (response, far, farHead) => {
    tellForwarded(visit, target, outgoing);
    if (isAccepted(request, response)) openTunnel(it, { response, far, farHead, echoes: outgoing.echoes });
    else {
      far.destroy();
      writeFailure(socket, refusal('UpstreamInvalid', 'the destination answered with another protocol'));
    }
  });
  upstream.once('response', (response) => {
    tellForwarded(visit, target, outgoing);
    relayRefusal(it, response, outgoing.echoes);
  });
  upstream.end();
}

function holdUpgrade({ visit, socket, target }: Upgrade, upstream: ClientRequest, { used }: Outgoing) {
  const release = visit.guest.work.hold({
    isAllowed: (policy) => isStillGranted(policy, used, target.host.name),
    close: () => {
      upstream.destroy();
      socket.destroy();
    },
  });
  socket.once('close', () => {
    release();
    upstream.destroy();
  });
  return release;
}

function isAccepted(request: IncomingMessage, response: IncomingMessage): boolean {
  const key = request.headers['sec-websocket-key'] ?? '';
  const expected = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  return isWebSocket(response) && response.headers['sec-websocket-accept'] === expected;
}

type Opened = {
  readonly response: IncomingMessage;
  readonly far: Duplex;
  readonly farHead: Buffer;
  readonly echoes: readonly Echo[];
};

function openTunnel({ visit, socket, head }: Upgrade, { response, far, farHead, echoes }: Opened): void {
  const fields = scrubbed(answered(pairsOf(response.rawHeaders)), echoes);
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const status = `HTTP/1.1 101 ${STATUS_CODES[101] ?? ''}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`;
  socket.write(`${status}${lines}\r\n`, 'latin1');
  if (farHead.length > 0) socket.write(farHead);
  if (head.length > 0) far.write(head);
  joinSockets(socket, far, visit.guest.parts.limits.idleMs);
}

/** Anything but 101: an ordinary answer, and the end of this connection. */
function relayRefusal({ request, socket }: Upgrade, from: IncomingMessage, echoes: readonly Echo[]): void {
  const response = new ServerResponse(request);
  response.on('finish', () => socket.end());
  if (socket instanceof Socket) response.assignSocket(socket);
  try {
    relayResponse(from, response, { echoes, isLast: true });
  } catch (error) {
    from.destroy();
    answerFailure(response, refusal('UpstreamInvalid', 'the answer of the destination is not valid', error));
  }
}
