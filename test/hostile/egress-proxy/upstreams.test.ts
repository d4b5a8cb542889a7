import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAuthority } from '../../../src/egress/authority/open-authority.ts';
import { grant, openLab, raw } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import type { UpstreamOptions } from '../../support/egress-upstream.ts';

let lab: Lab;
let guest: GuestEnd;
let directory: string;

beforeAll(async () => {
  lab = await openLab({ limits: { dialMs: 1000 } });
  guest = await lab.guest([grant({ hosts: [] })]);
  directory = await mkdtemp(join(tmpdir(), 'hm-bad-'));
});
afterAll(async () => {
  await lab.close();
  await rm(directory, { recursive: true });
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

test('row 42: an upstream that cannot prove its name is sent nothing', async () => {
  const other = await openAuthority({ directory });
  await other.open('other');
  const good = await lab.upstream(['good.test']);
  const bytes: string[] = [];
  const serve = async (host: string, options: UpstreamOptions): Promise<void> => {
    await lab.upstream([host], {
      ...options,
      raw: (socket) => socket.on('data', (chunk) => bytes.push(String(chunk))),
    });
  };
  await serve('foreign-ca.test', { contextFor: (host) => other.contextFor('other', host) });
  await serve('wrong-name.test', {});
  lab.names.set('wrong-name.test', [good.address]);
  await serve('plain-bytes.test', {});
  for (const host of ['foreign-ca.test']) {
    const answer = await guest.get(host);
    expect(answer).toMatchObject({ status: 502, headers: { 'x-egress-reason': 'UpstreamCertificate' } });
    expect(answer.body).not.toMatch(/127\.|self|issuer|OpenSSL/i);
  }
  expect(bytes).toEqual([]);
});

test('row 42: expired, of another name, and TLS 1.1', async () => {
  // The lab's own CA, which the proxy trusts, at another time and for another name.
  const reached: string[] = [];
  const seen = {
    raw: (socket: NodeJS.EventEmitter) => socket.on('data', (chunk) => reached.push(String(chunk))),
  };
  await lab.upstream(['expired.test'], {
    ...seen,
    contextFor: (host) => lab.contextAt(host, Date.now() - 30 * 86_400_000),
  });
  await lab.upstream(['named.test'], { ...seen, contextFor: () => lab.contextAt('other.test', Date.now()) });
  await lab.upstream(['old.test'], {
    ...seen,
    contextFor: () => createSecureContext({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }),
  });
  expect((await guest.get('expired.test')).headers['x-egress-reason']).toBe('UpstreamCertificate');
  expect((await guest.get('named.test')).headers['x-egress-reason']).toBe('UpstreamCertificate');
  expect((await guest.get('old.test')).headers['x-egress-reason']).toBe('UpstreamTls');
  expect(reached).toEqual([]);
});

test('an upstream that is not there, and a name that is not known, are told apart', async () => {
  lab.names.set('closed.test', ['127.255.255.254']);
  expect((await guest.get('closed.test')).headers['x-egress-reason']).toBe('ConnectFailed');
  await expect(guest.tunnel('unknown.test')).rejects.toThrow(/502 [^]*NameNotFound/);
});

test.each([
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'],
  [
    'length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['1xx without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000)],
  [
    'an upgrade nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n',
  ],
  ['nothing', ''],
])('row 53: an upstream that answers with %s is a 502', async (name, bytes) => {
  const host = `${name.replaceAll(/[^a-z0-9]/g, '')}.test`;
  await lab.upstream([host], {
    raw: (socket) => {
      socket.once('data', () => socket.end(bytes));
    },
  });
  expect((await guest.get(host)).status).toBe(502);
});

test('row 53: a connection with bytes that nobody asked for is not used again', async () => {
  let connections = 0;
  await lab.upstream(['extra.test'], {
    raw: (socket) => {
      connections += 1;
      socket.on('data', () => {
        socket.write(OK);
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale'), 20);
      });
    },
  });
  const socket = await guest.tunnel('extra.test');
  const ask = 'GET / HTTP/1.1\r\nHost: extra.test\r\n\r\n';
  expect(await raw(socket, ask, /ok$/)).toMatch(/ok$/);
  await sleep(100);
  expect(await raw(socket, ask, /(?:ok|stale)$/)).toMatch(/ok$/);
  expect(connections).toBe(2);
  socket.destroy();
});

test('row 52: two instances never share a connection to an upstream', async () => {
  const up = await lab.upstream(['shared.test'], { isHttp1Only: true });
  const two = await lab.guest([grant({ hosts: [] })], 'two');
  await guest.get('shared.test');
  await two.get('shared.test');
  await guest.get('shared.test');
  expect(up.seen.map((seen) => seen.connection)).toEqual([1, 2, 1]);
});

test('a connection that the upstream closed at rest costs no request', async () => {
  let number = 0;
  await lab.upstream(['closing.test'], {
    raw: (socket) => {
      number += 1;
      const mine = number;
      socket.on('data', () => {
        // The first connection dies under its second request, as a server's idle timeout would have it.
        if (mine === 1 && socket.bytesWritten > OK.length) socket.destroy();
        else socket.write(OK);
      });
    },
  });
  const socket = await guest.tunnel('closing.test');
  const ask = 'GET / HTTP/1.1\r\nHost: closing.test\r\n\r\n';
  expect(await raw(socket, ask, /ok$/)).toMatch(/200/);
  expect(await raw(socket, ask, /ok$/)).toMatch(/200/);
  socket.destroy();
});

test('an answer that breaks off does not look complete', async () => {
  await lab.upstream(['broken.test'], {
    raw: (socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
        setTimeout(() => socket.destroy(), 30);
      });
    },
  });
  const socket = await guest.tunnel('broken.test');
  const answer = await raw(socket, 'GET / HTTP/1.1\r\nHost: broken.test\r\n\r\n');
  expect(answer).toContain('abc');
  expect(answer).not.toContain('0\r\n\r\n');
});
