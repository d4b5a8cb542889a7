import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VALUE, grant, openLab, raw, readUntil, send } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { Upstream } from '../../support/egress-upstream.ts';

let lab: Lab;
let up: Upstream;
let guest: GuestEnd;

beforeAll(async () => {
  lab = await openLab({ limits: { headersMs: 600, helloMs: 600, bodyMs: 600 } });
  up = await lab.upstream(['api.test']);
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

async function inside(bytes: string): Promise<{ answer: string; reached: number }> {
  const before = up.seen.length;
  const answer = await raw(await guest.tunnel('api.test'), bytes);
  return { answer, reached: up.seen.length - before };
}

const POST = 'POST / HTTP/1.1\r\nHost: api.test\r\n';
test.each([
  ['a folded header', `${POST}X: a\r\n b\r\n\r\n`],
  ['a bare CR', `${POST}X: a\rb\r\n\r\n`],
  ['a bare LF', `GET / HTTP/1.1\nHost: api.test\nContent-Length: 0\n\n`],
  ['a NUL', `${POST}X: a\0b\r\n\r\n`],
  ['a space before the colon', `${POST}Content-Length : 0\r\n\r\n`],
  ['two lengths', `${POST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  [
    'two transfer codings',
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['chunked, identity', `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ['differing lengths', `${POST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
  ['a signed length', `${POST}Content-Length: +2\r\n\r\nab`],
])('row 50: %s gets 400', async (_, bytes) => {
  const { answer, reached } = await inside(bytes);
  expect(answer).toMatch(/^HTTP\/1.1 400/);
  expect(reached).toBe(0);
});

test.each([
  ['another coding first', `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: api.test\r\n\r\n'],
  ['HTTP/0.9', 'GET /\r\n\r\n'],
  ['HTTP/1.0 without a Host', 'GET / HTTP/1.0\r\n\r\n'],
  [
    'HTTP/1.0 with chunks',
    'POST / HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
])('row 51: %s gets 400', async (_, bytes) => {
  const { answer, reached } = await inside(bytes);
  expect(answer).toMatch(/^HTTP\/1.1 400/);
  expect(reached).toBe(0);
});

test('row 51: chunks are framed anew, without their extensions; HTTP/1.0 with a Host is served', async () => {
  await inside(
    `${POST}Connection: close\r\nTransfer-Encoding: Chunked\r\n\r\n3;evil="x"\r\nabc\r\n2\r\nde\r\n0\r\nX-End: 1\r\n\r\n`,
  );
  expect(up.seen.at(-1)).toMatchObject({ body: 'abcde' });
  const { answer } = await inside('GET /ten HTTP/1.0\r\nHost: api.test\r\n\r\n');
  expect(answer).toMatch(/saw \/ten$/);
});

test('row 54: of 1,200 headers none is lost, and ours is among them', async () => {
  let head = '';
  await lab.upstream(['many.test'], {
    raw: (socket) => {
      socket.on('data', (chunk: Buffer) => {
        head += chunk.toString('latin1');
        if (head.includes('\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    },
  });
  guest.put([grant({ hosts: ['many.test'] })]);
  const many = Array.from({ length: 1200 }, (_, at) => `a${at.toString(36)}:1\r\n`).join('');
  const socket = await guest.tunnel('many.test');
  expect(await raw(socket, `GET / HTTP/1.1\r\nHost: many.test\r\nConnection: close\r\n${many}\r\n`)).toMatch(
    / 200 /,
  );
  guest.put([grant()]);
  expect(head.split('\r\n').filter((line) => /^a[0-9a-z]+: 1$/.test(line))).toHaveLength(1200);
  expect(head).toContain(`\r\nauthorization: Bearer ${VALUE}\r\n`);
});

test.each([
  ['header', `GET / HTTP/1.1\r\nHost: api.test\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
  ['URL', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: api.test\r\n\r\n`],
])('row 55: a huge %s gets 431', async (_, bytes) => {
  const { answer, reached } = await inside(bytes);
  expect(answer).toMatch(/^HTTP\/1.1 431/);
  expect(reached).toBe(0);
});

/** Sends one byte after the other until the connection is closed; what was answered. */
async function dribble(socket: Awaited<ReturnType<GuestEnd['dial']>>, bytes: string): Promise<string> {
  const answered = readUntil(socket, 'close', 20_000);
  for (const byte of bytes) {
    if (socket.destroyed || !socket.writable) break;
    socket.write(byte);
    await sleep(150);
  }
  return answered;
}

test('row 56: who dawdles in a CONNECT, a hello, a handshake, a head or a body is closed', async () => {
  const slow = `X: ${'y'.repeat(60)}`;
  const connecting = dribble(
    await guest.dial('explicit'),
    `CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n${slow}`,
  );
  const hello = dribble(await guest.dial('tls'), `\x16\x03\x01\x01\x00${slow}`);
  const silent = dribble(await guest.dial('explicit'), '');
  const head = dribble(await guest.tunnel('api.test'), `GET / HTTP/1.1\r\nHost: api.test\r\n${slow}`);
  const upload = await guest.tunnel('api.test');
  upload.write(`${POST}Content-Length: 1000\r\n\r\nabc`);
  const body = readUntil(upload, 'close', 20_000);
  expect(await connecting).toMatch(/^HTTP\/1.1 408/);
  expect(await hello).toBe('');
  expect(await silent).toMatch(/^(?:HTTP\/1.1 408|$)/);
  expect(await head).toMatch(/^HTTP\/1.1 408/);
  expect(await body).toMatch(/^HTTP\/1.1 408/);
  expect(lab.reasons()).toEqual(expect.arrayContaining(['HelloTimeout', 'RequestTimeout', 'BodyTimeout']));
});

test('keep-alive: many requests on one connection, each with the header', async () => {
  const socket = await guest.tunnel('api.test');
  const before = up.seen.length;
  for (let count = 0; count < 5; count += 1) {
    const answer = raw(
      socket,
      `GET /${count} HTTP/1.1\r\nHost: api.test\r\n\r\n`,
      new RegExp(`saw /${count}`),
    );
    expect(await answer).toMatch(/^HTTP\/1.1 200/);
  }
  socket.destroy();
  expect(new Set(up.seen.slice(before).map((seen) => seen.connection)).size).toBe(1);
});

test('pipelined requests are answered in their order', async () => {
  const socket = await guest.tunnel('api.test');
  const two = `${POST}Content-Length: 1\r\n\r\nAGET /second HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n`;
  const answer = await raw(socket, two);
  expect(answer).toMatch(/saw \/HTTP\/1.1 200 [^]*saw \/second$/);
});

test('a POST without a body arrives without one', async () => {
  const socket = await guest.tunnel('api.test');
  await send(socket, { method: 'POST', path: '/empty', headers: { host: 'api.test', 'content-length': 0 } });
  expect(up.last('content-length')).toEqual(['0']);
  expect(up.last('transfer-encoding')).toEqual([]);
});
