import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mediation } from '../../../src/machine/egress.ts';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { knock, listenFor, portsFrom } from '../../support/mediated-guest.ts';
import {
  GATEWAY,
  HOST_OTHER,
  RESOLVER,
  SERVER,
  UPLINK,
  eventually,
  identityAt,
} from '../../support/netns.ts';
import type { LabGuest } from '../../support/netns.ts';
import { NetworkStage } from '../../support/network-stage.ts';

const ONE_PORTS = portsFrom(20_001);
const TWO_PORTS = portsFrom(21_001);
/** Not public, each in its own way; 168.63.129.16 is a cloud's metadata service on a public address. */
const PRIVATE = [
  ...['10.9.9.9', '100.64.9.9', '168.63.129.16', '169.254.169.254', '172.16.9.9', '192.168.9.9'],
  ...['192.0.0.192', '198.18.9.9'],
];
/** The kernel sends a guest one ICMP error a second once it had a few (icmp_ratelimit). */
const DENIED = /^(prohibited|silence)$/;
const stage = new NetworkStage();
const { lab } = stage;
let network: OpenNetwork;

const guests = new Map<string, LabGuest>();

async function join(name: string, ip: string, mediation?: Mediation): Promise<void> {
  const identity = identityAt(ip);
  await network.createTap(identity);
  await network.guardTap(identity, mediation);
  guests.set(name, await lab.join(identity));
}

function guest(name: string): LabGuest {
  const found = guests.get(name);
  if (found === undefined) throw new Error(`nobody is called ${name}`);
  return found;
}

const asks = (name: string, by: 'tcp' | 'udp', address: string, port: number): Promise<string> =>
  knock(lab, guest(name).space, by, [address, port]);

beforeAll(async () => {
  await stage.setUp();
  network = await stage.open();
  await join('one', '10.100.0.2', { mode: 'all', ports: ONE_PORTS });
  await join('two', '10.100.0.3', { mode: 'http_https_only', ports: TWO_PORTS });
  await join('orphan', '10.100.0.4', { mode: 'all' });
  await join('free orphan', '10.100.0.5', { mode: 'http_https_only' });
  await join('offered', '10.100.0.6', { mode: 'offered', ports: portsFrom(22_001) });
  await join('plain', '10.100.0.7');
  await join('spurned', '10.100.0.8', { mode: 'offered' });
  for (const address of PRIVATE) await lab.ip(lab.internetNs, `address add ${address}/32 dev lo`);
  // Everything that must not be reached is there and answers.
  await Promise.all([
    listenFor(lab, 'one', ONE_PORTS),
    listenFor(lab, 'two', TWO_PORTS),
    listenFor(lab, 'offered', portsFrom(22_001)),
    ...[80, 443, 853, 5432].map((port) => lab.serve(lab.internetNs, 'outside', '0.0.0.0', port)),
    ...[SERVER, RESOLVER].map((address) => lab.serve(lab.internetNs, 'outside', address, 53)),
    ...[22, 53, 80, 443, 3128, 5432].map((port) => lab.serve(lab.hostNs, 'host', '0.0.0.0', port)),
    lab.serve(guest('plain').space, 'guest', '0.0.0.0', 5432),
  ]);
}, 60_000);

afterAll(async () => {
  await stage.close();
});

describe.each(['one', 'two'])('guest %s, who is mediated', (name) => {
  test.each([SERVER, GATEWAY, UPLINK, ...PRIVATE, '10.100.0.7', '10.100.200.200'])(
    'sends HTTP and HTTPS to %s and gets its own listeners',
    async (address) => {
      const { ip } = guest(name).identity;
      expect(await asks(name, 'tcp', address, 443)).toBe(`${name}'s tls for ${ip}`);
      expect(await asks(name, 'tcp', address, 80)).toBe(`${name}'s http for ${ip}`);
    },
  );

  test('finds the explicit proxy on the gateway, and nowhere else', async () => {
    expect(await asks(name, 'tcp', GATEWAY, 3128)).toBe(`${name}'s explicit for ${guest(name).identity.ip}`);
    expect(await asks(name, 'tcp', UPLINK, 3128)).toBe('reset');
  });

  test('asks the gateway for names, over UDP and TCP, and gets its own listener', async () => {
    const { ip } = guest(name).identity;
    expect(await asks(name, 'udp', GATEWAY, 53)).toBe(`${name}'s dns for ${ip}`);
    expect(await asks(name, 'tcp', GATEWAY, 53)).toBe(`${name}'s dns for ${ip}`);
  });

  test('asks nobody else for names', async () => {
    for (const address of [RESOLVER, SERVER, UPLINK])
      for (const port of [53, 853]) {
        expect(await asks(name, 'tcp', address, port)).toBe('reset');
        expect(await asks(name, 'udp', address, port)).toMatch(DENIED);
      }
  });

  test('reaches no listener past the redirection, neither its own nor another one', async () => {
    for (const port of [...Object.values(ONE_PORTS), ...Object.values(TWO_PORTS)])
      for (const address of [GATEWAY, UPLINK]) {
        expect(await asks(name, 'tcp', address, port)).toBe('reset');
        expect(await asks(name, 'udp', address, port)).toMatch(DENIED);
      }
  });

  test('sends no QUIC, and is told at once', async () => {
    for (const port of [80, 443])
      expect(await eventually(async () => (await asks(name, 'udp', SERVER, port)) === 'prohibited')).toBe(
        true,
      );
  });

  test.each([GATEWAY, UPLINK, HOST_OTHER])('reaches no service of the host on %s', async (address) => {
    for (const port of [22, 5432]) {
      expect(await asks(name, 'tcp', address, port)).toBe('reset');
      expect(await asks(name, 'udp', address, port)).toMatch(DENIED);
    }
  });

  test.each([...PRIVATE, '10.100.0.7'])('reaches nothing on %s', async (address) => {
    expect(await knock(lab, lab.hostNs, 'tcp', [address, 5432])).not.toBe('silence');
    expect(await asks(name, 'tcp', address, 5432)).toBe('reset');
    expect(await asks(name, 'udp', address, 5432)).toMatch(DENIED);
  });

  test('reaches no private address that somebody else translates a public one to', async () => {
    const rule = 'ip daddr 198.51.100.77 tcp dport 5432 dnat to 192.168.9.9';
    const table = `table ip engine { chain dstnat { type nat hook prerouting priority dstnat; ${rule}; }; }`;
    await lab.output(lab.hostNs, 'nft', ['-f', '-'], table);
    try {
      expect(await asks('plain', 'tcp', '198.51.100.77', 5432)).toContain('outside');
      expect(await asks(name, 'tcp', '198.51.100.77', 5432)).toBe('reset');
    } finally {
      await lab.output(lab.hostNs, 'nft', ['delete', 'table', 'ip', 'engine']);
    }
  });

  test('pings the gateway', async () => {
    expect(await lab.ping(guest(name).space, GATEWAY)).toBe(true);
  });
});

test('in mode all, every other port is reset, and every other datagram refused', async () => {
  expect(await asks('one', 'tcp', SERVER, 5432)).toBe('reset');
  expect(await asks('one', 'udp', SERVER, 5432)).toMatch(DENIED);
  expect(await lab.ping(guest('one').space, SERVER)).toBe(false);
});

test('in mode http_https_only, other ports go direct', async () => {
  expect(await asks('two', 'tcp', SERVER, 5432)).toBe(`outside ${UPLINK}`);
  expect(await asks('two', 'udp', SERVER, 5432)).toBe(`outside ${UPLINK}`);
  expect(await lab.ping(guest('two').space, SERVER)).toBe(true);
});

test.each(['orphan', 'free orphan'])(
  'without a proxy, what a guest (%s) would send to it is refused',
  async (name) => {
    for (const address of [SERVER, GATEWAY, UPLINK])
      for (const port of [80, 443]) expect(await asks(name, 'tcp', address, port)).toBe('reset');
    for (const port of [53, 3128]) expect(await asks(name, 'tcp', GATEWAY, port)).toBe('reset');
    expect(await asks(name, 'udp', GATEWAY, 53)).toMatch(DENIED);
    expect(await asks(name, 'tcp', SERVER, 5432)).toBe(name === 'orphan' ? 'reset' : `outside ${UPLINK}`);
  },
);

test('a port that somebody publishes is no way around a proxy that is missing', async () => {
  const rule = `tcp dport { 80, 443, 3128 } dnat to ${SERVER}:5432`;
  const table = `table ip engine { chain dstnat { type nat hook prerouting priority dstnat; ${rule}; }; }`;
  await lab.output(lab.hostNs, 'nft', ['-f', '-'], table);
  try {
    expect(await asks('plain', 'tcp', SERVER, 80)).toContain('outside');
    for (const name of ['orphan', 'free orphan']) {
      for (const port of [80, 443]) expect(await asks(name, 'tcp', SERVER, port)).toBe('reset');
      expect(await asks(name, 'tcp', GATEWAY, 3128)).toBe('reset');
    }
    expect(await asks('one', 'tcp', SERVER, 443)).toContain("one's tls");
  } finally {
    await lab.output(lab.hostNs, 'nft', ['delete', 'table', 'ip', 'engine']);
  }
});

test('a guest to whom the proxy is only offered has its network and the explicit proxy', async () => {
  expect(await asks('offered', 'tcp', GATEWAY, 3128)).toBe("offered's explicit for 10.100.0.6");
  for (const port of [80, 443, 853, 5432])
    expect(await asks('offered', 'tcp', SERVER, port)).toBe(`outside ${UPLINK}`);
  expect(await asks('offered', 'udp', SERVER, 443)).toBe(`outside ${UPLINK}`);
  expect(await asks('offered', 'udp', GATEWAY, 53)).toBe(`outside ${UPLINK}`);
  for (const port of [22, 20_001, 22_002])
    expect(await asks('offered', 'tcp', GATEWAY, port)).toBe('silence');
  expect(await asks('spurned', 'tcp', GATEWAY, 3128)).toBe('reset');
});

test('a guest without mediation has nothing of it', async () => {
  for (const port of [53, 80, 443, 853, 5432])
    expect(await asks('plain', 'tcp', SERVER, port)).toBe(`outside ${UPLINK}`);
  expect(await asks('plain', 'udp', SERVER, 443)).toBe(`outside ${UPLINK}`);
  expect(await asks('plain', 'udp', GATEWAY, 53)).toBe(`outside ${UPLINK}`);
  for (const port of [22, 80, 443, 3128, 20_001, 20_002])
    expect(await asks('plain', 'tcp', GATEWAY, port)).toBe('silence');
});

test('nobody outside reaches a listener, even with a way to the gateway', async () => {
  await lab.ip(lab.internetNs, `route add ${GATEWAY}/32 via ${UPLINK}`);
  expect(await lab.ask(lab.internetNs, 'tcp', UPLINK, 22)).toContain('host');
  expect(await lab.ask(lab.internetNs, 'tcp', GATEWAY, ONE_PORTS.explicit)).toBeUndefined();
});

test('what is dialled by the proxy itself goes out as anything of the host does', async () => {
  for (const port of [53, 80, 443, 5432])
    expect(await knock(lab, lab.hostNs, 'tcp', [SERVER, port])).toBe(`outside ${UPLINK}`);
  expect(await knock(lab, lab.hostNs, 'udp', [RESOLVER, 53])).toContain('outside');
});

test('too many questions of one guest are not passed on, and another guest notices nothing', async () => {
  const flood = `
    const socket = require('node:dgram').createSocket('udp4');
    let answers = 0;
    socket.on('message', () => (answers += 1));
    let sent = 0;
    const more = () => { for (let i = 0; i < 50 && sent < 3000; i += 1, sent += 1) socket.send('q', 53, '${GATEWAY}'); if (sent < 3000) setImmediate(more); else setTimeout(() => { console.log(answers); process.exit(0); }, 700); };
    more();`;
  const answers = Number(await lab.output(guest('plain').space, process.execPath, ['-e', flood]));
  expect(answers).toBeGreaterThanOrEqual(200);
  expect(answers).toBeLessThan(1500);
  expect(await asks('offered', 'udp', GATEWAY, 53)).toBe(`outside ${UPLINK}`);
});
