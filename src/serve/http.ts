import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { HypemanError, messageOf } from '../errors.ts';
import { errorCode } from '../host/files.ts';
import type { Metrics } from './metrics.ts';

export type HttpOptions = {
  readonly address: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly metrics: Metrics;
  /** What keeps the controller from being alive, or ready; undefined when nothing does. Must be quick. */
  readonly problems: {
    readonly health: () => string | undefined;
    readonly readiness: () => string | undefined;
  };
};

export type HttpServer = { readonly port: number; close(): Promise<void> };

/**
 * `/healthz`, `/livez`, `/readyz` and `/metrics`, for probes and Prometheus. Nothing else, nothing secret,
 * and nothing that changes anything. Throws `AddressInUse` or `CannotListen`.
 */
export async function openHttp(options: HttpOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    void answer(options, request, response);
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 64;
  try {
    server.listen({ host: options.address, port: options.port });
    await once(server, 'listening');
  } catch (error) {
    throw cannotListen(options, error);
  }
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : options.port,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, 405, 'only GET is answered here');
    return;
  }
  try {
    await answerPath(options, new URL(request.url ?? '/', 'http://controller').pathname, response);
  } catch (error) {
    send(response, 500, messageOf(error));
  }
}

async function answerPath(options: HttpOptions, path: string, response: ServerResponse): Promise<void> {
  switch (path) {
    case '/healthz':
    case '/livez':
      sendProbe(response, options.problems.health());
      return;
    case '/readyz':
      sendProbe(response, options.problems.readiness());
      return;
    case '/metrics':
      send(response, 200, await options.metrics.text(), options.metrics.contentType);
      return;
    default:
      send(response, 404, 'here are /healthz, /livez, /readyz and /metrics');
  }
}

function sendProbe(response: ServerResponse, problem: string | undefined): void {
  if (problem === undefined) send(response, 200, 'ok');
  else send(response, 503, problem);
}

function send(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type }).end(text.endsWith('\n') ? text : `${text}\n`);
}

function cannotListen({ address, port }: HttpOptions, cause: unknown): HypemanError {
  if (errorCode(cause) === 'EADDRINUSE')
    return new HypemanError(
      'invalid',
      'AddressInUse',
      `${address}:${port} is taken by another program: choose another --listen ADDR:PORT, or --listen off`,
      { cause },
    );
  return new HypemanError(
    'invalid',
    'CannotListen',
    `cannot listen on ${address}:${port}: ${messageOf(cause)}`,
    {
      cause,
    },
  );
}
