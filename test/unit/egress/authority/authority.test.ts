import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, connect } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAuthority } from '../../../../src/egress/authority/open-authority.ts';
import type { OwnedAuthority } from '../../../../src/egress/authority/open-authority.ts';

const HOUR = 3600 * 1000;
let directory: string;
let now: number;

beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/hm-authority-`);
  now = Date.now();
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function open(): Promise<OwnedAuthority> {
  return openAuthority({ directory, now: () => now });
}

/** What a client that trusts `ca` sees of a server with this context. */
async function shown(context: SecureContext, ca: string, servername: string): Promise<PeerCertificate> {
  const server = createServer({
    SNICallback: (_, done) => {
      done(null, context);
    },
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', servername, ca });
  try {
    await once(client, 'secureConnect');
    return client.getPeerCertificate();
  } finally {
    client.destroy();
    server.close();
  }
}

const limited = expect.objectContaining({ reason: 'MintLimited', fate: 'transient' }) as Error;

test('a client that trusts the CA accepts the context, for its own host alone', async () => {
  const authority = await open();
  const ca = await authority.open('a');
  const context = authority.contextFor('a', 'api.example.com');
  const certificate = await shown(context, ca, 'api.example.com');
  expect(certificate.subjectaltname).toBe('DNS:api.example.com');
  await expect(shown(context, ca, 'other.example.com')).rejects.toThrow(/altnames/);
});

test("a client that trusts another instance's CA does not", async () => {
  const authority = await open();
  await authority.open('a');
  const ca = await authority.open('b');
  await expect(shown(authority.contextFor('a', 'x.example.com'), ca, 'x.example.com')).rejects.toThrow();
});

test('the CA is the same after the process was killed', async () => {
  const before = await (await open()).open('a');
  const again = await open();
  expect(await again.open('a')).toBe(before);
  await shown(again.contextFor('a', 'x.example.com'), before, 'x.example.com');
});

test('key and certificate are readable by the process alone', async () => {
  await (await open()).open('a');
  expect(statSync(`${directory}/a`).mode & 0o777).toBe(0o700);
  for (const name of ['ca.key', 'ca.crt'])
    expect(statSync(`${directory}/a/${name}`).mode & 0o777).toBe(0o600);
});

test.each([
  [
    'a key without its certificate',
    (own: string) => {
      rmSync(`${own}/ca.crt`);
    },
  ],
  [
    'a certificate without its key',
    (own: string) => {
      rmSync(`${own}/ca.key`);
    },
  ],
  [
    'half a certificate',
    (own: string) => {
      writeFileSync(`${own}/ca.crt`, readFileSync(`${own}/ca.crt`, 'utf8').slice(0, 99));
    },
  ],
  [
    'an empty key',
    (own: string) => {
      writeFileSync(`${own}/ca.key`, '');
    },
  ],
])('%s is no CA: a whole one takes its place', async (_, harm) => {
  const before = await (await open()).open('a');
  harm(`${directory}/a`);
  const again = await open();
  const after = await again.open('a');
  expect(after).not.toBe(before);
  await shown(again.contextFor('a', 'x.example.com'), after, 'x.example.com');
});

test("another instance's certificate beside a key is no CA", async () => {
  const first = await open();
  const [before, other] = [await first.open('a'), await first.open('b')];
  writeFileSync(`${directory}/a/ca.crt`, other);
  const after = await (await open()).open('a');
  expect([before, other]).not.toContain(after);
});

test('a CA that is about to expire is replaced', async () => {
  const before = await (await open()).open('a');
  now += 3625 * 24 * HOUR;
  expect(await (await open()).open('a')).not.toBe(before);
});

test('an instance that is gone for good leaves no CA', async () => {
  const authority = await open();
  const before = await authority.open('a');
  await authority.forget('a');
  expect(await authority.kept()).toEqual([]);
  expect(() => authority.contextFor('a', 'x.example.com')).toThrow(
    expect.objectContaining({ reason: 'NoAuthority' }) as Error,
  );
  expect(await authority.open('a')).not.toBe(before);
});

test('a leaf is kept, in whatever spelling its host is asked for', async () => {
  const authority = await open();
  await authority.open('a');
  const context = authority.contextFor('a', 'x.example.com');
  now += 47 * HOUR;
  expect(authority.contextFor('a', 'X.example.com.')).toBe(context);
});

test('a leaf is made new at two thirds of its life', async () => {
  const authority = await open();
  await authority.open('a');
  const context = authority.contextFor('a', 'x.example.com');
  now += 48 * HOUR;
  expect(authority.contextFor('a', 'x.example.com')).not.toBe(context);
});

test('a leaf from a future that a clock was set back from is made new', async () => {
  const authority = await open();
  await authority.open('a');
  const context = authority.contextFor('a', 'x.example.com');
  now -= 25 * HOUR;
  expect(authority.contextFor('a', 'x.example.com')).not.toBe(context);
});

test('leaves hold from a day before until three days after, for clocks that are wrong', async () => {
  const authority = await open();
  const ca = await authority.open('a');
  const seen = await shown(authority.contextFor('a', 'x.example.com'), ca, 'x.example.com');
  expect(now - Date.parse(seen.valid_from)).toBeGreaterThanOrEqual(24 * HOUR);
  expect(Date.parse(seen.valid_to) - now).toBeGreaterThan(71 * HOUR);
});

test('new hosts have a rate; what is cached has none', async () => {
  const authority = await open();
  await authority.open('a');
  for (let n = 0; n < 100; n += 1) authority.contextFor('a', `h${n}.example.com`);
  expect(() => authority.contextFor('a', 'one-more.example.com')).toThrow(limited);
  for (let n = 0; n < 100; n += 1) authority.contextFor('a', `h${n}.example.com`);
  now += 1000;
  for (let n = 0; n < 50; n += 1) authority.contextFor('a', `later${n}.example.com`);
  expect(() => authority.contextFor('a', 'one-more.example.com')).toThrow(limited);
});

test('a renewal is not counted as a new host', async () => {
  const authority = await open();
  await authority.open('a');
  for (let n = 0; n < 100; n += 1) authority.contextFor('a', `h${n}.example.com`);
  now += 48 * HOUR;
  for (let n = 0; n < 100; n += 1) authority.contextFor('a', `new${n}.example.com`);
  expect(() => authority.contextFor('a', 'one-more.example.com')).toThrow(limited);
  expect(() => authority.contextFor('a', 'h0.example.com')).not.toThrow();
});

test('one guest neither uses up the rate of another nor evicts what it has', async () => {
  const authority = await open();
  await authority.open('a');
  await authority.open('b');
  const context = authority.contextFor('b', 'x.example.com');
  for (let n = 0; n < 700; n += 1) {
    now += 20;
    authority.contextFor('a', `h${n}.example.com`);
  }
  expect(authority.contextFor('b', 'x.example.com')).toBe(context);
  for (let n = 0; n < 99; n += 1) authority.contextFor('b', `h${n}.example.com`);
});

test('the hosts that were used last are kept when there are too many', async () => {
  const authority = await open();
  await authority.open('a');
  const used = authority.contextFor('a', 'used.example.com');
  const unused = authority.contextFor('a', 'unused.example.com');
  for (let n = 0; n < 499; n += 1) {
    now += 20;
    authority.contextFor('a', `h${n}.example.com`);
    authority.contextFor('a', 'used.example.com');
  }
  expect(authority.contextFor('a', 'used.example.com')).toBe(used);
  now += 20;
  expect(authority.contextFor('a', 'unused.example.com')).not.toBe(unused);
});
