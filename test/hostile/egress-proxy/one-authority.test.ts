import { afterAll, beforeAll, expect, test } from 'vitest';
import { VALUE, grant, openLab, raw } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { Upstream } from '../../support/egress-upstream.ts';

let lab: Lab;
let up: Upstream;
let guest: GuestEnd;

beforeAll(async () => {
  lab = await openLab();
  up = await lab.upstream(['api.test', 'evil.test', 'plain.test']);
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

/** What a request gets inside a tunnel to api.test, and whether the upstream saw any of it. */
async function inside(bytes: string): Promise<{ answer: string; reached: number }> {
  const before = up.seen.length;
  const answer = await raw(await guest.tunnel('api.test'), bytes);
  return { answer, reached: up.seen.length - before };
}

test('row 24: CONNECT and server name have to agree, opened or spliced', async () => {
  for (const [host, sni] of [
    ['api.test', 'evil.test'],
    ['evil.test', 'api.test'],
    ['plain.test', 'evil.test'],
  ] as const) {
    const before = up.seen.length;
    await expect(guest.tunnel(host, { sni })).rejects.toThrow();
    expect(lab.decisions.at(-1)).toMatchObject({ reason: 'HostMismatch', verdict: 'refused' });
    expect(up.seen).toHaveLength(before);
  }
});

test('row 24: without a server name CONNECT decides; redirected, nobody can', async () => {
  const socket = await guest.tunnel('api.test', { sni: '' });
  expect(await raw(socket, 'GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n')).toMatch(/ 200 /);
  await expect(guest.redirected('api.test', { sni: '' })).rejects.toThrow();
  expect(lab.decisions.at(-1)).toMatchObject({ reason: 'ServerNameMissing', way: 'tls' });
});

test('redirected TLS is opened for a granted host and spliced for another', async () => {
  const opened = await guest.redirected('API.test');
  expect(opened.authorized).toBe(true);
  await raw(opened, 'GET / HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n');
  expect(up.last('authorization')).toEqual([`Bearer ${VALUE}`]);
  const spliced = await guest.redirected('plain.test');
  // Its own certificate, which the instance's authority did not sign.
  expect(spliced.authorized).toBe(false);
  await raw(spliced, 'GET / HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n');
  expect(up.last('authorization')).toEqual([]);
});

test.each(['evil.test', 'evil.test:443', 'api.test:8443', 'api.test:80', 'x.api.test', '127.0.0.1'])(
  'row 25: inside the tunnel the Host %s gets 421 and goes nowhere',
  async (host) => {
    const { answer, reached } = await inside(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 421/);
    expect(reached).toBe(0);
    expect(lab.decisions.at(-1)).toMatchObject({ reason: 'HostMismatch' });
  },
);

test.each(['api.test', 'API.Test', 'api.test.', 'api.test:443'])('the Host %s is this host', async (host) => {
  const { answer } = await inside(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1.1 200/);
  expect(up.last('host')).toEqual(['api.test']);
});

test('row 27: two Hosts, or none, get 400', async () => {
  for (const fields of ['Host: api.test\r\nHost: evil.test\r\n', 'Host: api.test\r\nHost: api.test\r\n', ''])
    expect(await inside(`GET / HTTP/1.1\r\n${fields}\r\n`)).toMatchObject({
      answer: expect.stringMatching(/^HTTP\/1.1 400/) as string,
      reached: 0,
    });
});

test.each([
  'api.test@evil.test',
  'api.test, evil.test',
  'api.test evil.test',
  '',
  'api.test:',
  'api.test:443:443',
  'api..test',
  '-api.test',
  'api.test%2e',
  'api%00.test',
  '[api.test]',
])('row 28: the Host %j gets 400', async (host) => {
  const { answer, reached } = await inside(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  expect(answer).toMatch(/^HTTP\/1.1 400/);
  expect(reached).toBe(0);
});

test.each(['\u24d0pi.test', 'api\u3002test', 'api\uff0etest', '\u212aapi.test', 'xn--api\u00ad.test'])(
  'row 34: %s is not read as a host',
  async (host) => {
    const { answer } = await inside(
      `GET / HTTP/1.1\r\nHost: ${Buffer.from(host).toString('latin1')}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 400/);
  },
);

test('row 29: an absolute form of another host gets 400, one of this host goes on in origin form', async () => {
  for (const url of [
    'https://evil.test/',
    'http://api.test/',
    'https://api.test:8443/',
    'https://x@api.test/',
    'ftp://api.test/',
  ]) {
    const { answer, reached } = await inside(`GET ${url} HTTP/1.1\r\nHost: api.test\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 400/);
    expect(reached).toBe(0);
  }
  const same = await inside(
    'GET https://api.test:443/a?b HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n',
  );
  expect(same.answer).toContain('saw /a?b');
});

test.each(['//evil.test/x', '/\\evil.test', '/%2e%2e/x', '/a?b=%00&c#d', '/../..//etc'])(
  'row 30: the path %s is forwarded byte for byte',
  async (path) => {
    const { answer } = await inside(`GET ${path} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(up.seen.at(-1)?.url).toBe(path);
  },
);

test.each([
  ['https://api.test/', 403],
  ['HTTPS://api.test/', 403],
  ['wss://api.test/', 403],
  ['ftp://plain.test/', 400],
  ['ws://plain.test/', 400],
  ['/', 400],
  ['http://plain.test:8080/', 403],
  ['http://user:pw@plain.test/', 400],
  ['http:///x', 400],
])('row 31: the plain listener answers %s with %i', async (url, status) => {
  const before = up.seen.length;
  const socket = await guest.dial('explicit');
  const answer = await raw(socket, `GET ${url} HTTP/1.1\r\nHost: plain.test\r\n\r\n`);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status}`));
  expect(up.seen).toHaveLength(before);
});

test('plain HTTP: target and Host have to agree', async () => {
  const socket = await guest.dial('explicit');
  expect(await raw(socket, 'GET http://plain.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n')).toMatch(
    /^HTTP\/1.1 421/,
  );
});

test('CONNECT: target and Host have to agree, and no tunnel inside a tunnel', async () => {
  const socket = await guest.dial('explicit');
  expect(await raw(socket, 'CONNECT api.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n')).toMatch(
    /^HTTP\/1.1 421/,
  );
  const { answer } = await inside('CONNECT evil.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1.1 405/);
});

test('CONNECT: a Host that names the proxy itself, as undici sends it, is no second target', async () => {
  const socket = await guest.dial('explicit');
  const head = `CONNECT api.test:443 HTTP/1.1\r\nHost: ${guest.policy.gateway}:3128\r\n\r\n`;
  expect(await raw(socket, head, /\r\n\r\n/)).toMatch(/^HTTP\/1.1 200/);
});

test('H12: a ClientHello that comes together with CONNECT is not lost', async () => {
  const hello = await helloFor('api.test');
  const socket = await guest.dial('explicit');
  socket.write(
    Buffer.concat([Buffer.from('CONNECT api.test:443 HTTP/1.1\r\nHost: api.test\r\n\r\n'), hello]),
  );
  // 22 is a handshake record: the ServerHello.
  expect(await raw(socket, '', /\r\n\r\n\x16\x03/)).toMatch(/\r\n\r\n\x16\x03/);
  socket.destroy();
});

test('row 59: a ClientHello in segments of one byte is read', async () => {
  const hello = await helloFor('api.test');
  const socket = await guest.dial('tls');
  socket.setNoDelay(true);
  for (const byte of hello) {
    socket.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  expect(await raw(socket, '', /^\x16\x03/)).toMatch(/^\x16\x03/);
  socket.destroy();
});

test('row 59: TLS 1.1 is refused', async () => {
  const hello = await helloFor('api.test', 'TLSv1.1');
  const socket = await guest.dial('tls');
  socket.write(hello);
  // An alert record, and the end.
  expect(await raw(socket, '')).toMatch(/^(?:\x15\x03|$)/);
});

/** The first flight of a real client. */
async function helloFor(host: string, version: 'TLSv1.1' | 'TLSv1.3' = 'TLSv1.3'): Promise<Buffer> {
  const { connect } = await import('node:tls');
  const { Duplex } = await import('node:stream');
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const sink = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      resolve(chunk);
      done();
    },
  });
  connect({
    socket: sink,
    servername: host,
    minVersion: version,
    maxVersion: version,
    ciphers: 'DEFAULT@SECLEVEL=0',
  }).on('error', () => undefined);
  return promise;
}
