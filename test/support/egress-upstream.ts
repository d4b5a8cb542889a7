import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { Http2SecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';

/** One request as it arrived. */
export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly version: string;
  readonly rawHeaders: readonly string[];
  readonly body: string;
  /** Which connection it came on, counted from 1. */
  readonly connection: number;
};

export type UpstreamOptions = {
  readonly contextFor?: (host: string) => SecureContext;
  readonly isHttp1Only?: boolean;
  /** Answers; without it 200 and the url. The body has been read by then. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Called as soon as the head is there; the body is not read then. */
  readonly early?: (request: IncomingMessage, response: ServerResponse) => void;
  /** Takes the decrypted connection as it is. */
  readonly raw?: (socket: TLSSocket) => void;
  readonly upgrade?: (request: IncomingMessage, socket: Socket) => void;
};

export type Upstream = {
  readonly address: string;
  readonly seen: Seen[];
  /** Connections that were accepted, on any port. */
  readonly connections: () => number;
  readonly server: Http2SecureServer | undefined;
  /** Values of a header in the last request. */
  last(header: string): readonly string[];
  readonly close: () => Promise<void>;
};

/** Listens on 443 (HTTPS, HTTP/2 and 1.1) and 80 of a loopback address and logs what arrives. */
export async function openUpstream(
  address: string,
  options: UpstreamOptions & { readonly contextFor: (host: string) => SecureContext },
): Promise<Upstream> {
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const numbers = new WeakMap<Socket, number>();
  const answer = options.answer ?? ((request, response) => response.end(`saw ${request.url ?? ''}`));
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    request.on('error', () => undefined);
    if (options.early !== undefined) {
      note(request, '');
      options.early(request, response);
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      note(request, Buffer.concat(chunks).toString('latin1'));
      answer(request, response);
    });
  };
  const note = ({ method, url, httpVersion, rawHeaders, socket }: IncomingMessage, body: string): void => {
    const connection = numbers.get(socket) ?? 0;
    seen.push({
      method: method ?? '',
      url: url ?? '',
      version: httpVersion,
      rawHeaders: [...rawHeaders],
      body,
      connection,
    });
  };
  const sni = {
    SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => {
      done(null, options.contextFor(name));
    },
  };
  const http2 = createSecureServer({ ...sni, allowHTTP1: true });
  const server = options.isHttp1Only === true ? createHttps(sni) : http2;
  server.on('request', onRequest as never);
  server.on('checkContinue', onRequest as never);
  if (options.upgrade !== undefined) server.on('upgrade', options.upgrade as never);
  server.on('sessionError', () => undefined);
  const rawServer = createTls({ ...sni, ALPNProtocols: ['http/1.1'] });
  const secure = options.raw === undefined ? server : rawServer.on('secureConnection', options.raw);
  const plain = createHttp(onRequest);
  if (options.upgrade !== undefined) plain.on('upgrade', options.upgrade as never);
  let count = 0;
  const count1 = (socket: Socket): void => {
    count += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => sockets.delete(socket));
  };
  for (const one of [secure, plain]) one.on('connection', count1);
  let number = 0;
  const numberIt = (socket: Socket): void => {
    number += 1;
    numbers.set(socket, number);
    socket.on('error', () => undefined);
  };
  secure.on('secureConnection', numberIt);
  plain.on('connection', numberIt);
  secure.on('tlsClientError', () => undefined);
  secure.listen(443, address);
  plain.listen(80, address);
  await Promise.all([once(secure, 'listening'), once(plain, 'listening')]);
  return {
    address,
    seen,
    connections: () => count,
    server: options.raw === undefined ? http2 : undefined,
    last: (header) => valuesOf(seen.at(-1)?.rawHeaders ?? [], header),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all([secure, plain].map((one) => new Promise((done) => one.close(done))));
    },
  };
}

/** All values of a header, in whatever letter case it came. */
export function valuesOf(rawHeaders: readonly string[], header: string): readonly string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === header);
}
