import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterAccess } from '../../../../src/sources/kubernetes/cluster-access.ts';
import { KeptAliveApi } from '../../../../src/sources/kubernetes/kept-alive-api.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let directory: string;
let certificate: { key: Buffer; cert: Buffer };
let server: Server;
let connections = 0;
let handlers: Handler[] = [];
let api: KeptAliveApi;
let tokens: string[] = [];

beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/hm-api-`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key'];
  const name = ['-subj', '/CN=api', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2', '-out', 'cert'];
  execFileSync('openssl', ['req', '-x509', ...key, ...name], { cwd: directory, stdio: 'ignore' });
  certificate = { key: readFileSync(`${directory}/key`), cert: readFileSync(`${directory}/cert`) };
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});
beforeEach(async () => {
  connections = 0;
  handlers = [];
  tokens = ['first'];
  server = createServer(certificate, (request, response) => {
    const handler = handlers.shift();
    if (handler === undefined) response.end('{"is":"fine"}');
    else handler(request, response);
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const access: ClusterAccess = {
    server: new URL(`https://127.0.0.1:${port}`),
    credentials: () =>
      Promise.resolve({ ca: certificate.cert, headers: { Authorization: `Bearer ${tokens[0] ?? ''}` } }),
    distrust: () => {
      tokens.shift();
    },
  };
  api = new KeptAliveApi(access, { answerMs: 1_000 });
});
afterEach(() => {
  api.close();
  server.closeAllConnections();
  server.close();
});

const ask = (): ReturnType<KeptAliveApi['ask']> => api.ask({ method: 'GET', path: '/' });
function answer(status: number, headers: Readonly<Record<string, string>> = {}): Handler {
  return (_, response) => response.writeHead(status, headers).end(`{"message":"status ${status}"}`);
}

describe('an API server over kept connections', () => {
  test('one connection serves requests that follow each other', async () => {
    for (let count = 0; count < 5; count += 1) expect((await ask()).body).toEqual({ is: 'fine' });
    expect(connections).toBe(1);
  });

  test('the body of a DELETE arrives, and is not taken for the next request', async () => {
    let read = '';
    handlers = [
      (request, response) => {
        request.on('data', (chunk: Buffer) => (read += chunk.toString()));
        request.on('end', () => response.end('{}'));
      },
    ];
    await api.ask({ method: 'DELETE', path: '/one', body: { preconditions: { uid: 'ü' } } });
    expect(JSON.parse(read)).toEqual({ preconditions: { uid: 'ü' } });
    expect(await api.ask({ method: 'GET', path: '/two' })).toMatchObject({ status: 200 });
    expect(connections).toBe(1);
  });

  test('a connection that was closed as it was taken again costs no request', async () => {
    await ask();
    handlers = [(request) => request.socket.destroy()];
    expect((await ask()).status).toBe(200);
    expect(connections).toBe(2);
  });

  test('a new connection that breaks is told as transient, with the server’s name', async () => {
    handlers = [(request) => request.socket.destroy()];
    await expect(ask()).rejects.toMatchObject({ fate: 'transient', reason: 'ApiServerUnreachable' });
  });

  test('"later" is waited for as the server wishes, and the answer stands when it says so too often', async () => {
    handlers = [answer(429, { 'retry-after': '0' }), answer(503, { 'retry-after': '0' })];
    expect((await ask()).status).toBe(200);
    handlers = Array.from({ length: 9 }, () => answer(429, { 'retry-after': '0' }));
    expect(await ask()).toMatchObject({ status: 429, retryAfterMs: 0 });
    expect(handlers).toHaveLength(5);
  });

  test('a refusal is an answer', async () => {
    handlers = [answer(404), answer(409)];
    expect((await ask()).status).toBe(404);
    expect(await ask()).toMatchObject({ status: 409, body: { message: 'status 409' } });
  });

  test('a token that is refused is read again', async () => {
    tokens = ['old', 'new'];
    const seen: unknown[] = [];
    handlers = [401, 200].map((status) => (request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(status).end('{}');
    });
    expect((await ask()).status).toBe(200);
    expect(seen).toEqual(['Bearer old', 'Bearer new']);
  });

  test('silence ends at the deadline', async () => {
    handlers = [() => undefined];
    await expect(ask()).rejects.toThrow('no answer within 1 s');
  });

  test('what takes a server longer is waited for longer', async () => {
    handlers = [(_, response) => setTimeout(() => response.end('{"is":"late"}'), 1_500)];
    expect(await api.ask({ method: 'GET', path: '/', patience: 4 })).toMatchObject({ body: { is: 'late' } });
  });

  test('an answer that breaks off is none', async () => {
    handlers = [
      (request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('{"half":');
        setTimeout(() => request.socket.destroy(), 20);
      },
    ];
    await expect(ask()).rejects.toMatchObject({ reason: 'ApiServerUnreachable' });
  });
});

describe('a stream', () => {
  async function linesOf(idleMs = 500): Promise<readonly string[]> {
    const stream = await api.stream('/', { idleMs, signal: AbortSignal.timeout(5_000) });
    if (stream.is === 'refused') return [`refused ${stream.answer.status}`];
    const lines: string[] = [];
    for await (const line of stream.lines) lines.push(line.is === 'line' ? line.text : line.is);
    return lines;
  }

  test('gives whole lines, however they are cut, and drops what was cut off', async () => {
    handlers = [
      (_, response) => {
        response.write('{"a":1}\n{"b"');
        setTimeout(() => response.write(':"é"}\n\n'), 20);
        setTimeout(() => response.end('{"c"'), 40);
      },
    ];
    expect(await linesOf()).toEqual(['{"a":1}', '{"b":"é"}']);
  });

  test('that falls silent is ended, and lives as long as something comes', async () => {
    handlers = [
      (_, response) => {
        for (const at of [0, 1, 2, 3, 4]) setTimeout(() => response.write(`${at}\n`), at * 100);
      },
    ];
    expect(await linesOf(300)).toEqual(['0', '1', '2', '3', '4', 'silent']);
  });

  test('that is refused says why', async () => {
    handlers = [answer(410)];
    expect(await linesOf()).toEqual(['refused 410']);
  });

  test('lives longer than an answer may take', async () => {
    handlers = [
      (_, response) => {
        response.write('0\n');
        setTimeout(() => response.end('1\n'), 1_300);
      },
    ];
    expect(await linesOf(5_000)).toEqual(['0', '1']);
  });
});
