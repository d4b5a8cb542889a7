import { STATUS_CODES } from 'node:http';
import type { ServerResponse } from 'node:http';
import { constants } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { failureOf, statusOf } from './refusal.ts';

/** What the guest is told of a failure: its class and one sentence, in every protocol the same. */
export function answerOf(error: unknown): {
  readonly status: number;
  readonly reason: string;
  readonly text: string;
} {
  const { reason, message } = failureOf(error);
  return { status: statusOf(reason), reason, text: `egress proxy: ${message} (${reason})\n` };
}

/** Answers a request that will not be forwarded and closes its connection: its body was not read. */
export function answerFailure(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, reason, text } = answerOf(error);
  response.writeHead(status, fieldsOf(reason, text)).end(text);
}

/** The same on a socket that no response object stands for: CONNECT, upgrades, refused connections. */
export function writeFailure(socket: Duplex, error: unknown): void {
  const { status, reason, text } = answerOf(error);
  const fields = Object.entries(fieldsOf(reason, text)).map(([name, value]) => `${name}: ${value}\r\n`);
  if (socket.writable) {
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields.join('')}\r\n${text}`);
  }
  // Whatever the guest still sends is not read: with it unread the socket would never close.
  socket.once('finish', () => socket.destroy());
}

/** Answers a stream that will not be forwarded. */
export function answerStream(stream: ServerHttp2Stream, error: unknown): void {
  if (stream.destroyed || stream.closed) return;
  if (stream.headersSent) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return;
  }
  const { status, reason, text } = answerOf(error);
  stream.respond({ ':status': status, 'content-type': 'text/plain', 'x-egress-reason': reason });
  stream.end(text);
  // The rest of its body is not wanted (RFC 9113 section 8.1).
  stream.resume();
  stream.once('finish', () => {
    if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
  });
}

function fieldsOf(reason: string, text: string): Record<string, string> {
  return {
    'content-type': 'text/plain',
    'content-length': String(Buffer.byteLength(text)),
    'x-egress-reason': reason,
    connection: 'close',
  };
}
