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
  /** The flag that gave the address, for the refusal of one that is taken. */
  readonly flag: '--listen' | '--metrics-listen';
  readonly metrics: Pick<Metrics, 'text' | 'contentType'>;
  /** What keeps the controller from being alive, or ready. Absent: probes are not answered here. */
  readonly problems?: Problems;
};

/** Undefined when nothing does. Must be quick. */
export type Problems = {
  readonly health: () => string | undefined;
  readonly readiness: () => string | undefined;
};

export type HttpServer = { readonly port: number; close(): Promise<void> };

/**
 * `/healthz`, `/livez`, `/readyz` and `/metrics`, for probes and Prometheus; without `problems` only the last.
 * Nothing else, nothing secret, and nothing that changes anything. Throws `AddressInUse` or `CannotListen`.
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

async function answerPath(
  { metrics, problems }: HttpOptions,
  path: string,
  response: ServerResponse,
): Promise<void> {
  const probe = problems === undefined ? undefined : probesOf(problems)[path];
  if (path === '/metrics') send(response, 200, await metrics.text(), metrics.contentType);
  else if (probe !== undefined) sendProbe(response, probe());
  else send(response, 404, problems === undefined ? 'here is /metrics' : PATHS);
}

const PATHS = 'here are /healthz, /livez, /readyz and /metrics';

function probesOf({ health, readiness }: Problems): Readonly<Record<string, () => string | undefined>> {
  return { '/healthz': health, '/livez': health, '/readyz': readiness };
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

function cannotListen({ address, port, flag }: HttpOptions, cause: unknown): HypemanError {
  if (errorCode(cause) === 'EADDRINUSE')
    return new HypemanError(
      'invalid',
      'AddressInUse',
      `${address}:${port} is taken by another program: choose another ${flag} ADDR:PORT, or ${flag} off`,
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
