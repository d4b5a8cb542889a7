import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isPublicAddress } from '../../../src/egress/proxy/public-address.ts';
import { freshAddress, grant, openLab, raw, readUntil } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';

let lab: Lab;
let guest: GuestEnd;
/** What the test's upstreams live on passes for public; everything else is judged as always. */
const ours = new Set<string>();

beforeAll(async () => {
  lab = await openLab({ isPublicAddress: (address) => ours.has(address) || isPublicAddress(address) });
  ours.add((await lab.upstream(['api.test', 'plain.test'])).address);
  guest = await lab.guest([grant()]);
});
afterAll(() => lab.close());

async function connectAnswer(target: string): Promise<string> {
  return raw(
    await guest.dial('explicit'),
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`,
    /\r\n\r\n/,
  );
}

test('row 4: an instance’s port closes at once for another address', async () => {
  for (const way of ['explicit', 'tls', 'http'] as const) {
    const socket = await guest.dial(way, freshAddress());
    expect(await raw(socket, 'GET http://plain.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n')).toBe('');
    expect(lab.decisions.at(-1)).toMatchObject({ reason: 'ForeignAddress', verdict: 'refused', way });
  }
});

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '100.64.0.1',
  '169.254.169.254',
  '168.63.129.16',
  '172.16.0.1',
  '192.168.1.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '[::1]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[64:ff9b::a9fe:a9fe]',
  '[2002:a9fe:a9fe::]',
  '[2001:0:1::1]',
])('row 18: CONNECT to %s is refused', async (literal) => {
  expect(await connectAnswer(`${literal}:443`)).toMatch(/^HTTP\/1.1 403 [^]*x-egress-reason: PrivateAddress/);
});

test.each([
  '127.1',
  '0x7f.1',
  '2130706433',
  '0177.0.0.1',
  '0x7f000001',
  'a.0x',
  '1.2.3.4.5',
  '[::1%lo]',
  '[1.2.3.4]',
])('row 19: %s is no host and nobody is asked for it', async (text) => {
  const before = lab.asked.length;
  expect(await connectAnswer(`${text}:443`)).toMatch(/^HTTP\/1.1 400/);
  expect(lab.asked).toHaveLength(before);
});

test.each([
  ['a private answer', ['10.0.0.1']],
  ['a public and a private answer', ['8.8.8.8', '127.0.0.1']],
  ['NAT64', ['64:ff9b::a9fe:a9fe']],
  ['6to4', ['2002:a9fe:a9fe::']],
  ['an IPv4 address in IPv6 clothes', ['::ffff:127.0.0.1']],
  ['no address at all', ['not an address']],
])('row 20: a name with %s is refused, both ways in', async (_, answers) => {
  lab.names.set('inner.test', answers);
  expect(await connectAnswer('inner.test:443')).toMatch(/^HTTP\/1.1 403/);
  const plain = await guest.dial('http');
  expect(await raw(plain, 'GET / HTTP/1.1\r\nHost: inner.test\r\n\r\n')).toMatch(/^HTTP\/1.1 403/);
});

test('row 21: the address that was checked is the one that is dialled', async () => {
  const answers = lab.names.get('plain.test') ?? [];
  const asked: string[] = [];
  const resolving = await openLab({ isPublicAddress: (address) => address === answers[0] });
  const one = await resolving.guest([], 'rebind');
  // The second answer would be another; there must be no second question.
  resolving.names.get = (name: string) => {
    asked.push(name);
    return asked.length === 1 ? answers : ['127.0.0.1'];
  };
  const socket = await one.tunnel('plain.test');
  expect(asked).toEqual(['plain.test']);
  socket.destroy();
  await resolving.close();
});

test.each(['22', '25', '80', '6443', '8443', '0', '99999'])('row 22: no tunnel to port %s', async (port) => {
  expect(await connectAnswer(`api.test:${port}`)).toMatch(/^HTTP\/1.1 40[03]/);
});

test.each([
  ['api.test', 'SSH-2.0-OpenSSH\r\n'],
  ['api.test', 'GET / HTTP/1.1\r\nHost: api.test\r\n\r\n'],
  ['plain.test', 'GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n'],
  ['plain.test', '\x16\x03\x01\x00\x05\x02\x00\x00\x00\x00'],
])('row 23: what is not TLS is never tunnelled to %s', async (host, bytes) => {
  const socket = await guest.dial('explicit');
  await raw(socket, `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, /\r\n\r\n/);
  expect(await raw(socket, bytes)).toBe('');
  expect(lab.decisions.at(-1)).toMatchObject({ reason: 'NotTls' });
});

test('row 8: redirected plain HTTP to the metadata service is refused', async () => {
  const socket = await guest.dial('http');
  expect(await raw(socket, 'GET /latest HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n')).toMatch(
    /^HTTP\/1.1 403/,
  );
});

test('row 49: without a policy nothing goes through', async () => {
  lab.policies.remove('one');
  const explicit = await guest.dial('explicit');
  expect(await readUntil(explicit, 'close')).toMatch(/^HTTP\/1.1 503 [^]*PolicyMissing/);
  const tls = await guest.dial('tls');
  if (!tls.destroyed) await once(tls, 'close');
  lab.policies.swap(guest.policy);
  expect((await guest.get('api.test')).status).toBe(200);
});
