import { performServerHandshake } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { answerStream } from './answer.ts';
import type { Visit } from './guest.ts';
import { tellFailure } from './guest.ts';
import type { Host } from './host-name.ts';
import { readAuthority } from './host-name.ts';
import { exchangeStream } from './http2-exchange.ts';
import { refusal } from './refusal.ts';
import { isHttpsAt } from './request-target.ts';

const WINDOW = 1_048_576;

/** Serves HTTP/2 on a guest's decrypted connection to one host. */
export function serveHttp2(visit: Visit & { readonly host: Host }, socket: TLSSocket): void {
  const { limits } = visit.guest.parts;
  const session = performServerHandshake(socket, {
    maxHeaderListPairs: 256,
    maxSessionMemory: 16,
    settings: {
      maxConcurrentStreams: limits.streams,
      maxHeaderListSize: limits.headerBytes,
      initialWindowSize: WINDOW,
      enableConnectProtocol: false,
    },
  });
  // A TLSSocket of one's own counts as connecting for ever, and the session waits for this event (Node 24, tested).
  socket.emit('secureConnect');
  session.setLocalWindowSize(WINDOW);
  session.on('error', () => {
    session.destroy();
  });
  // A connection that never asks for anything, or rests for longer than one of HTTP/1.1 may.
  const first = setTimeout(() => {
    session.destroy();
  }, limits.headersMs);
  let streams = 0;
  session.setTimeout(limits.keepAliveMs, () => {
    if (streams === 0) session.close();
  });
  session.once('close', () => {
    clearTimeout(first);
    socket.destroy();
  });
  session.on(
    'stream',
    (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: unknown) => {
      clearTimeout(first);
      streams += 1;
      stream.once('close', () => {
        streams -= 1;
      });
      // Told by `close`, which every exchange watches.
      stream.on('error', () => undefined);
      onStream(visit, stream, { headers, raw: Array.isArray(raw) ? raw.map(String) : [] });
    },
  );
}

type Asked = { readonly headers: IncomingHttpHeaders; readonly raw: readonly string[] };

function onStream(
  visit: Visit & { readonly host: Host },
  stream: ServerHttp2Stream,
  { headers, raw }: Asked,
): void {
  try {
    const path = pathOf(headers, visit.host);
    void exchangeStream({
      visit,
      stream,
      raw,
      method: headers[':method'] ?? '',
      target: { host: visit.host, path },
    });
  } catch (error) {
    tellFailure(visit, visit.host.name, error);
    answerStream(stream, error);
  }
}

/** What Node leaves to us: the host, the form of the path, the scheme. Throws what `answerStream` can tell. */
function pathOf(headers: IncomingHttpHeaders, host: Host): string {
  checkAuthority(headers, host);
  const path = headers[':path'] ?? '';
  const isOrigin = path.startsWith('/') || (path === '*' && headers[':method'] === 'OPTIONS');
  // Extended CONNECT is not offered, so a stream without a path is CONNECT: no tunnel inside a tunnel.
  if (!isOrigin) throw refusal('BadRequest', 'the path is not one');
  if (headers[':scheme'] !== 'https')
    throw refusal('BadRequest', 'the scheme is not that of this connection');
  return path;
}

/** `:authority` and `host`, each where it is there, have to be this connection's host (RFC 9113 section 8.3.1). */
function checkAuthority(headers: IncomingHttpHeaders, host: Host): void {
  const named = [headers[':authority'], headers.host].filter((text) => text !== undefined);
  if (named.length === 0) throw refusal('BadRequest', 'the request names no host');
  for (const text of named) {
    const at = readAuthority(text);
    if (at === undefined) throw refusal('BadHost', 'the authority is not a host');
    if (!isHttpsAt(at, host))
      throw refusal('HostMismatch', 'the request names another host than this connection');
  }
}
