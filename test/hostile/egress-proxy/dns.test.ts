import type { Answer, RecordType } from 'dns-packet';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openForward } from '../../../src/egress/dns/forward.ts';
import { isPublicAddress } from '../../../src/egress/proxy/public-address.ts';
import { freshAddress, grant, openLab } from '../../support/egress-lab.ts';
import type { GuestEnd, Lab } from '../../support/egress-lab.ts';
import { answerWith, openNameServer } from '../../support/egress-name-server.ts';
import type { NameServerEnd } from '../../support/egress-name-server.ts';
import { ask, askOverTcp, query } from '../../support/egress-questions.ts';
import type { Seen } from '../../support/egress-questions.ts';

const NOERROR = 0;
const FORMERR = 1;
const NXDOMAIN = 3;
const REFUSED = 5;
const ZONE: Readonly<Record<string, readonly string[]>> = {
  'api.test': ['93.184.215.14'],
  'rebound.test': ['127.0.0.1'],
  'mixed.test': ['93.184.215.14', '169.254.169.254'],
  'mapped.test': ['::ffff:10.0.0.1'],
  'large.test': Array.from({ length: 80 }, (_, at) => `93.184.215.${at}`),
};
let lab: Lab;
let world: NameServerEnd;
let hanging: (() => void)[];

beforeAll(async () => {
  hanging = [];
  world = await openNameServer('127.0.0.1', (asking) => {
    const { name = '', type = 'A' } = asking.packet.questions?.[0] ?? {};
    if (name === 'silent.test') {
      hanging.push(() => {
        asking.say(answerWith(asking, []));
      });
      return;
    }
    const records = (ZONE[name.toLowerCase()] ?? [])
      .map((data): Answer => ({ type: data.includes(':') ? 'AAAA' : 'A', name, ttl: 60, data }))
      .filter((record) => record.type === type);
    const isCut = asking.over === 'udp' && records.length > 20;
    asking.say(answerWith(asking, isCut ? [] : records, { flags: isCut ? 0x0200 : 0 }));
  });
  lab = await openLab({
    isPublicAddress,
    names: {
      forward: openForward(() => Promise.resolve([world]), { eachMs: 2000, allMs: 2000 }),
      hosts: new Map([['intern.test', ['10.9.0.7', 'fd00::7']]]),
    },
  });
});
afterAll(async () => {
  for (const answer of hanging) answer();
  await lab.close();
  await world.close();
});

let count = 0;
/** Each test has its own, with a whole allowance. */
async function aGuest(): Promise<GuestEnd> {
  count += 1;
  return lab.guest([grant()], `dns-${count}`);
}

test('a name is answered over UDP and TCP, on one port, and only counted', async () => {
  const guest = await aGuest();
  const before = lab.resolved();
  expect(await ask(guest, query('Api.test'))).toMatchObject({ code: NOERROR, data: ['93.184.215.14'] });
  expect(await askOverTcp(guest, query('api.test'))).toMatchObject({
    code: NOERROR,
    data: ['93.184.215.14'],
  });
  expect(lab.resolved()).toBe(before + 2);
  expect(lab.decisions.filter(({ way }) => way === 'dns')).toEqual([]);
});

test('an answer too large for UDP is cut, and whole over TCP', async () => {
  const guest = await aGuest();
  const cut = await ask(guest, query('large.test'));
  expect(cut).toMatchObject({ packet: { flag_tc: true } });
  expect((await askOverTcp(guest, query('large.test'))).data).toHaveLength(80);
});

test('row 4: another source address gets no answer', async () => {
  const guest = await aGuest();
  expect(await ask(guest, query('api.test'), freshAddress())).toBe('nothing');
  expect(lab.decisions.at(-1)).toMatchObject({ way: 'dns', reason: 'ForeignAddress', verdict: 'refused' });
});

test('row 12: of a thousand names of a tunnel the world sees a burst, and the trail a line a second', async () => {
  const guest = await aGuest();
  const before = world.asked.length;
  const answers = await Promise.all(
    Array.from({ length: 1000 }, (_, at) => askSparingly(guest, query(`x${at}.tunnel.test`))),
  );
  const asked = world.asked.length - before;
  expect(asked).toBeGreaterThanOrEqual(90);
  expect(asked).toBeLessThan(600);
  expect(answers.some((one) => one !== 'nothing' && one.code === REFUSED)).toBe(true);
  const told = lab.decisions.filter(
    ({ instance, reason }) => instance === guest.policy.instance && reason === 'DnsLimited',
  );
  expect(told.length).toBeGreaterThanOrEqual(1);
  expect(told.length).toBeLessThanOrEqual(6);
});

/** A lost datagram of a flood is no failure. */
async function askSparingly(guest: GuestEnd, bytes: Buffer): Promise<Seen | 'nothing'> {
  return Promise.race([
    ask(guest, bytes),
    new Promise<'nothing'>((done) =>
      setTimeout(() => {
        done('nothing');
      }, 4000),
    ),
  ]);
}

test('questions that nobody answers are bounded', async () => {
  const guest = await aGuest();
  const before = world.asked.filter(({ packet }) => packet.questions?.[0]?.name === 'silent.test').length;
  const socket = createSocket('udp4');
  socket.bind(0, guest.address);
  await once(socket, 'listening');
  for (let sent = 0; sent < 150; sent += 1)
    socket.send(query('silent.test'), guest.ports.dns, guest.policy.gateway);
  await expect
    .poll(
      () =>
        lab.decisions.filter(
          ({ instance, reason }) => instance === guest.policy.instance && reason === 'DnsLimited',
        ).length,
    )
    .toBe(1);
  const after = world.asked.filter(({ packet }) => packet.questions?.[0]?.name === 'silent.test').length;
  expect(after - before).toBeLessThanOrEqual(100);
  socket.close();
});

test.each(['rebound.test', 'mixed.test'])(
  'row 20: the private answer for %s does not reach the guest',
  async (name) => {
    expect(await ask(await aGuest(), query(name))).toMatchObject({ code: NXDOMAIN, data: [] });
    expect(lab.decisions.at(-1)).toMatchObject({
      way: 'dns',
      host: name,
      reason: 'PrivateAnswer',
      verdict: 'refused',
    });
  },
);

test('row 20: nor does one in IPv6 clothes', async () => {
  expect(await ask(await aGuest(), query('mapped.test', 'AAAA'))).toMatchObject({ code: NXDOMAIN, data: [] });
});

test.each(['UNKNOWN_64', 'UNKNOWN_65'])(
  'row 68: %s is answered without data and without asking',
  async (type) => {
    const before = world.asked.length;
    expect(await ask(await aGuest(), query('api.test', type as RecordType))).toMatchObject({
      code: NOERROR,
      data: [],
    });
    expect(world.asked.length).toBe(before);
  },
);

test.each(['ANY', 'AXFR', 'IXFR', 'TSIG', 'UNKNOWN_254', 'UNKNOWN_0'])(
  '%s is refused without asking',
  async (type) => {
    const before = world.asked.length;
    expect(await ask(await aGuest(), query('api.test', type as RecordType))).toMatchObject({ code: REFUSED });
    expect(world.asked.length).toBe(before);
  },
);

test.each(['127.1', '2130706433', '0x7f.0.0.1', '10.0.0.1', '0X7f'])(
  'row 19: %s is no name',
  async (name) => {
    const before = world.asked.length;
    expect(await ask(await aGuest(), query(name))).toMatchObject({ code: NXDOMAIN });
    expect(world.asked.length).toBe(before);
  },
);

test('names that the operator gave have exactly those addresses, private as they may be', async () => {
  const guest = await aGuest();
  expect(await ask(guest, query('Intern.test'))).toMatchObject({ code: NOERROR, data: ['10.9.0.7'] });
  expect(await ask(guest, query('intern.test', 'AAAA'))).toMatchObject({ data: ['fd00::7'] });
  expect(await ask(guest, query('intern.test', 'MX'))).toMatchObject({ code: NOERROR, data: [] });
});

test('nonsense is told so or not answered, and the next question is', async () => {
  const guest = await aGuest();
  expect(await ask(guest, query('api.test').subarray(0, 20))).toMatchObject({ code: FORMERR });
  const socket = await guest.dial('dns');
  socket.write(Buffer.from('ffff0000', 'hex'));
  socket.end();
  await once(socket, 'close');
  expect(await ask(guest, query('api.test'))).toMatchObject({ code: NOERROR });
});

test('an asker that knows EDNS is answered in it, another version is not', async () => {
  const guest = await aGuest();
  const opt = (ednsVersion: number) => ({
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: 4096,
        extendedRcode: 0,
        ednsVersion,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
  const known = await ask(guest, query('api.test', 'A', opt(0)));
  expect(known).toMatchObject({
    code: NOERROR,
    packet: { additionals: [{ type: 'OPT', udpPayloadSize: 1232 }] },
  });
  expect(await ask(guest, query('api.test', 'A', opt(1)))).toMatchObject({ code: 4 });
});

test('without a policy nothing is resolved', async () => {
  const guest = await aGuest();
  lab.policies.remove(guest.policy.instance);
  expect(await ask(guest, query('api.test'), freshAddress())).toBe('nothing');
  expect(lab.decisions.at(-1)).toMatchObject({ way: 'dns', reason: 'PolicyMissing' });
});

test('an instance that is dropped frees its port', async () => {
  const guest = await aGuest();
  await lab.proxy.drop(guest.policy.instance);
  const socket = createSocket('udp4');
  socket.bind(guest.ports.dns, guest.policy.gateway);
  await once(socket, 'listening');
  socket.close();
});
