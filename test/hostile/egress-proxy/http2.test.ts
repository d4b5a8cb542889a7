import { once } from 'node:events';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
} from 'node:http2';
import { constants } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { VALUE, grant, openLab } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { Upstream } from '../../support/egress-upstream.ts';

let lab: Lab;
let up: Upstream;
let guest: GuestEnd;
let session: ClientHttp2Session;
const requests: IncomingHttpHeaders[] = [];

beforeAll(async () => {
  lab = await openLab();
  up = await lab.upstream(['api.test']);
  // A server as gRPC's are: it speaks in both directions at once, and its status is a trailer.
  up.server?.removeAllListeners('request').removeAllListeners('stream');
  up.server?.on('stream', (stream, headers) => {
    requests.push(headers);
    stream.on('error', () => undefined);
    if (headers[':path'] === '/only') {
      stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true });
      return;
    }
    stream.respond(
      { ':status': 200, 'x-echo': headers.authorization ?? '', 'alt-svc': 'h3' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => {
      stream.sendTrailers({ 'grpc-status': '0', 'x-echo': headers.authorization ?? '' });
    });
    stream.on('data', (chunk: Buffer) => stream.write(`echo ${String(chunk)}`));
    stream.on('end', () => stream.end());
  });
  lab.names.set('h1.test', (await lab.upstream(['h1.test'], { isHttp1Only: true })).address.split(' '));
  guest = await lab.guest([grant({ hosts: ['api.test', 'h1.test'] })]);
});
beforeEach(async () => {
  session = await guest.http2('api.test');
});
afterAll(() => lab.close());

type Got = { headers: IncomingHttpHeaders; trailers: IncomingHttpHeaders; body: string };

async function ask(headers: OutgoingHttpHeaders, body?: string): Promise<Got> {
  const stream = session.request({
    ':path': '/',
    ':method': body === undefined ? 'GET' : 'POST',
    ...headers,
  });
  stream.on('error', () => undefined);
  stream.end(body);
  return read(stream);
}

async function read(stream: ClientHttp2Stream): Promise<Got> {
  let trailers: IncomingHttpHeaders = {};
  stream.on('trailers', (received: IncomingHttpHeaders) => (trailers = received));
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  let body = '';
  for await (const chunk of stream) body += String(chunk);
  return { headers, trailers, body };
}

test('gRPC: HTTP/2 on both sides, the header set, trailers and `te` passed on, echoes scrubbed', async () => {
  expect(session.alpnProtocol ?? 'h2').toBe('h2');
  const got = await ask(
    { te: 'trailers', authorization: 'Bearer mock-API_KEY', 'content-type': 'application/grpc' },
    'hi',
  );
  expect(got).toMatchObject({
    body: 'echo hi',
    trailers: { 'grpc-status': '0', 'x-echo': 'Bearer mock-API_KEY' },
  });
  expect(got.headers['x-echo']).toBe('Bearer mock-API_KEY');
  expect(got.headers['alt-svc']).toBeUndefined();
  expect(requests.at(-1)).toMatchObject({
    authorization: `Bearer ${VALUE}`,
    te: 'trailers',
    ':authority': 'api.test',
  });
  session.close();
});

test('gRPC: an answer that is trailers alone', async () => {
  expect((await ask({ ':path': '/only' })).headers['grpc-status']).toBe('5');
  session.close();
});

test('gRPC: both directions stream at once', async () => {
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  for (const word of ['one', 'two', 'three']) {
    stream.write(word);
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    expect(String(chunk)).toBe(`echo ${word}`);
  }
  stream.end();
  await once(stream, 'end');
  session.close();
});

test('two of our header: exactly one arrives', async () => {
  await ask({ 'x-other': ['a', 'b'], authorization: 'mine' });
  expect(requests.at(-1)).toMatchObject({ authorization: `Bearer ${VALUE}`, 'x-other': 'a, b' });
  session.close();
});

test.each([
  ['another :authority', { ':authority': 'evil.test' }, 421],
  ['another port', { ':authority': 'api.test:8443' }, 421],
  ['a host that differs', { ':authority': 'api.test', host: 'evil.test' }, 421],
  ['no host in it', { ':authority': 'api..test' }, 400],
  ['another scheme', { ':scheme': 'http' }, 400],
  ['TRACE', { ':method': 'TRACE' }, 405],
] as const)('row 26: %s is refused and goes nowhere', async (_, headers, status) => {
  const before = requests.length;
  expect((await ask(headers)).headers[':status']).toBe(status);
  expect(requests).toHaveLength(before);
  session.close();
});

test('row 46: the next stream on an open connection has the new value', async () => {
  await ask({});
  guest.put([grant({ hosts: ['api.test', 'h1.test'], value: 'rotated' })]);
  await ask({});
  expect(requests.slice(-2).map((headers) => headers.authorization)).toEqual([
    `Bearer ${VALUE}`,
    'Bearer rotated',
  ]);
  guest.put([grant({ hosts: ['api.test', 'h1.test'] })]);
  session.close();
});

test('row 47: a stream of a grant that is taken away is closed', async () => {
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.on('error', () => undefined);
  stream.write('open');
  await once(stream, 'data');
  guest.put([grant({ hosts: ['h1.test'] })]);
  await Promise.race([once(stream, 'close'), sleep(1000)]);
  expect(stream.closed).toBe(true);
  guest.put([grant({ hosts: ['api.test', 'h1.test'] })]);
});

test('a client that cancels cancels at the upstream', async () => {
  const seen = new Promise<number>((resolve) => {
    up.server?.once('stream', (stream) =>
      stream.once('close', () => {
        resolve(stream.rstCode);
      }),
    );
  });
  const stream = session.request({ ':method': 'POST', ':path': '/' });
  stream.on('error', () => undefined);
  stream.write('open');
  await once(stream, 'data');
  stream.close(constants.NGHTTP2_CANCEL);
  expect(await seen).toBe(constants.NGHTTP2_CANCEL);
  session.close();
});

test('a host that speaks only HTTP/1.1 is not offered as HTTP/2', async () => {
  const socket = await guest.tunnel('h1.test', { alpn: ['h2', 'http/1.1'] });
  expect(socket.alpnProtocol).toBe('http/1.1');
  socket.destroy();
  session.close();
});

test('100 streams at once share a connection to the upstream', async () => {
  const before = up.connections();
  const all = await Promise.all(Array.from({ length: 100 }, (_, at) => ask({}, `n${at}`)));
  expect(all.map((got) => got.body)).toEqual(Array.from({ length: 100 }, (_, at) => `echo n${at}`));
  expect(up.connections() - before).toBeLessThan(3);
  session.close();
});

test('row 61: a guest that leaves without a word frees its place', async () => {
  const small = await openLab({ limits: { connections: 2 } });
  await small.upstream(['api.test']);
  const one = await small.guest([grant()]);
  for (let count = 0; count < 6; count += 1) {
    const tunnel = (): Promise<string | false | null> =>
      one.tunnel('api.test', { alpn: ['h2'] }).then(
        (socket) => {
          socket.destroy();
          return socket.alpnProtocol;
        },
        () => false,
      );
    await expect.poll(tunnel, { timeout: 5000 }).toBe('h2');
  }
  await small.close();
  session.close();
});

test('an upstream that has gone is a 502 on the stream', async () => {
  await ask({});
  await up.close();
  expect((await ask({})).headers[':status']).toBe(502);
});
