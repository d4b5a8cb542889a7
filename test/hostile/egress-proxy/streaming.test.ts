import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VALUE, grant, openLab, raw, readUntil } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { Upstream } from '../../support/egress-upstream.ts';
import { valuesOf } from '../../support/egress-upstream.ts';

const CHUNK = Buffer.alloc(65_536, 'x');
const CHUNKS = 2048;

let lab: Lab;
let up: Upstream;
let guest: GuestEnd;
let uploaded = 0;
let handshake: readonly string[] = [];

beforeAll(async () => {
  lab = await openLab();
  up = await lab.upstream(['api.test', 'plain.test'], {
    early: (request, response) => {
      if (request.url === '/down') {
        let sent = 0;
        const more = (): void => {
          while (sent < CHUNKS) {
            sent += 1;
            if (!response.write(CHUNK)) {
              response.once('drain', more);
              return;
            }
          }
          response.end();
        };
        more();
      } else if (request.url === '/up') {
        request.on('data', (chunk: Buffer) => (uploaded += chunk.length));
        request.on('end', () => response.end('done'));
      } else if (request.url === '/refuse') response.writeHead(417).end('no');
      else if (request.url === '/trailers') {
        response.writeHead(200, { trailer: 'x-sum' });
        response.write('body');
        response.addTrailers({ 'x-sum': '42', 'x-echo': String(request.headers.authorization) });
        response.end();
      } else if (request.url === '/hints') {
        response.writeEarlyHints({ link: '</a.css>; rel=preload' });
        response.end('hinted');
      } else {
        response.writeContinue();
        request.resume();
        request.on('end', () => response.end('continued'));
      }
    },
    upgrade: (request, socket) => {
      handshake = request.rawHeaders;
      socket.on('error', () => undefined);
      if (request.url === '/denied') {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno');
        return;
      }
      const key = request.url === '/wrong' ? 'x' : String(request.headers['sec-websocket-key']);
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nX-Echo: ${String(request.headers.authorization)}\r\n\r\nhello`,
      );
      socket.on('data', (chunk) => socket.write(chunk));
    },
  });
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

test('row 60: 128 MiB down to a slow reader and up from a fast one are never held', async () => {
  const socket = await guest.tunnel('api.test');
  const before = process.memoryUsage().rss;
  let most = before;
  socket.write('GET /down HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
  await sleep(300);
  let received = 0;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    most = Math.max(most, process.memoryUsage().rss);
  });
  await once(socket, 'close');
  expect(received).toBeGreaterThan(CHUNKS * CHUNK.length);
  const upload = await guest.tunnel('api.test');
  const request = httpRequest({
    createConnection: () => upload,
    method: 'POST',
    path: '/up',
    headers: { host: 'api.test' },
  });
  for (let count = 0; count < CHUNKS; count += 1) if (!request.write(CHUNK)) await once(request, 'drain');
  request.end();
  await once(request, 'response');
  expect(uploaded).toBe(CHUNKS * CHUNK.length);
  // Both ends and the proxy live in this process; held whole, it would be twice 128 MiB.
  expect(most - before).toBeLessThan(120 * 1024 * 1024);
  upload.destroy();
});

test('row 61: who leaves in the middle leaves nothing behind', async () => {
  const before = up.connections();
  for (let count = 0; count < 30; count += 1) {
    const socket = await guest.tunnel('api.test');
    socket.write('GET /down HTTP/1.1\r\nHost: api.test\r\n\r\n');
    await readUntil(socket, /x/);
    socket.destroy();
  }
  expect(up.connections() - before).toBeGreaterThanOrEqual(29);
  const open = (): Promise<number> =>
    new Promise((resolve) =>
      up.server?.getConnections((_, count) => {
        resolve(count);
      }),
    );
  await expect.poll(open, { timeout: 5000 }).toBeLessThan(5);
});

test('row 61: a spliced connection ends when either side does', async () => {
  const socket = await guest.tunnel('plain.test');
  expect(await raw(socket, 'GET /hints HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n')).toContain(
    'hinted',
  );
});

test('row 62: 100-continue comes from the upstream, and so does its refusal', async () => {
  const head = 'POST /accept HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n';
  const accepted = await guest.tunnel('api.test');
  expect(await raw(accepted, `${head}\r\n`, /\r\n\r\n/)).toMatch(/^HTTP\/1.1 100 Continue/);
  expect(await raw(accepted, 'abc', /continued/)).toMatch(/^HTTP\/1.1 200/);
  const refused = await guest.tunnel('api.test');
  expect(await raw(refused, `${head.replace('/accept', '/refuse')}\r\n`)).toMatch(/^HTTP\/1.1 417 /);
  const odd = await guest.tunnel('api.test');
  expect(await raw(odd, `${head.replace('100-continue', 'a-miracle')}\r\n`)).toMatch(/^HTTP\/1.1 417 /);
  accepted.destroy();
});

test('early hints and trailers get through, without our value in them', async () => {
  const hinted = await guest.tunnel('api.test');
  expect(await raw(hinted, 'GET /hints HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n')).toMatch(
    /^HTTP\/1.1 103 [^]*rel=preload[^]*HTTP\/1.1 200/,
  );
  const trailed = await guest.tunnel('api.test');
  const answer = await raw(trailed, 'GET /trailers HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
  expect(answer).toMatch(/x-sum: 42/);
  expect(answer).toMatch(/x-echo: Bearer mock-API_KEY/);
});

const UPGRADE =
  'Host: api.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';

test('row 63: a WebSocket gets the header in its handshake and is opaque after it', async () => {
  const socket = await guest.tunnel('api.test');
  const answer = await raw(socket, `GET /ws HTTP/1.1\r\n${UPGRADE}Authorization: mine\r\n\r\n`, /hello/);
  expect(answer).toMatch(/^HTTP\/1.1 101 [^]*s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
  expect(answer).toContain('Bearer mock-API_KEY');
  expect(valuesOf(handshake, 'authorization')).toEqual([`Bearer ${VALUE}`]);
  expect(valuesOf(handshake, 'sec-websocket-key')).toEqual(['dGhlIHNhbXBsZSBub25jZQ==']);
  expect(await raw(socket, '\x81\x02\xff\0mock-API_KEY', /KEY/)).toBe('\x81\x02\xff\0mock-API_KEY');
  // Rotated, it stays; revoked, it goes (row 47).
  guest.put([grant({ value: 'another' })]);
  expect(await raw(socket, 'still', /still/)).toBe('still');
  socket.resume();
  guest.put([]);
  await Promise.race([once(socket, 'close'), sleep(1000)]);
  expect(socket.destroyed).toBe(true);
  guest.put([grant()]);
});

test('row 63: a refusal of the handshake is passed on, a wrong accept is a 502', async () => {
  const denied = await guest.tunnel('api.test');
  expect(await raw(denied, `GET /denied HTTP/1.1\r\n${UPGRADE}\r\n`)).toMatch(/^HTTP\/1.1 401 [^]*no$/);
  const wrong = await guest.tunnel('api.test');
  expect(await raw(wrong, `GET /wrong HTTP/1.1\r\n${UPGRADE}\r\n`)).toMatch(/^HTTP\/1.1 502 /);
  const fronted = await guest.tunnel('api.test');
  expect(await raw(fronted, `GET /ws HTTP/1.1\r\n${UPGRADE.replace('api.test', 'evil.test')}\r\n`)).toMatch(
    /^HTTP\/1.1 421 /,
  );
});

test('row 63: h2c is not upgraded to, the request goes on without it', async () => {
  const socket = await guest.tunnel('api.test');
  const fields =
    'Host: api.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n';
  expect(await raw(socket, `GET /hints HTTP/1.1\r\n${fields}\r\n`)).toContain('hinted');
  expect(up.last('upgrade')).toEqual([]);
  expect(up.last('http2-settings')).toEqual([]);
});

test('a WebSocket over plain HTTP gets no header of ours', async () => {
  const socket: Socket = await guest.dial('explicit');
  const answer = await raw(
    socket,
    `GET http://api.test/ws HTTP/1.1\r\n${UPGRADE}Authorization: mine\r\n\r\n`,
    /hello/,
  );
  expect(answer).toMatch(/^HTTP\/1.1 101/);
  expect(valuesOf(handshake, 'authorization')).toEqual(['mine']);
  socket.destroy();
});

test('row 67: a client that does not trust the leaf is told apart', async () => {
  // Node's own client verifies after the handshake and sends no alert; OpenSSL's does.
  const { gateway, guest: address } = guest.policy;
  const target = ['-connect', `${gateway}:${guest.ports.tls}`, '-bind', address, '-servername', 'api.test'];
  const client = spawn(
    'openssl',
    ['s_client', ...target, '-verify_return_error', '-CAfile', '/etc/ssl/certs/ca-certificates.crt'],
    {
      stdio: 'ignore',
    },
  );
  await once(client, 'exit');
  await expect.poll(() => lab.reasons(), { timeout: 5000 }).toContain('PinnedOrUntrustedCA');
});
