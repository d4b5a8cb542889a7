import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { openNetwork } from '../../../src/network/open-network.ts';
import {
  GATEWAY,
  HOST_OTHER,
  NetnsLab,
  RESOLVER,
  SERVER,
  TAG,
  UPLINK,
  identityAt,
} from '../../support/netns.ts';
import type { LabGuest } from '../../support/netns.ts';

const lab = new NetnsLab();
let network: OpenNetwork;
let one: LabGuest;
let other: LabGuest;

beforeAll(async () => {
  await lab.open();
  network = await openNetwork({ tag: TAG, dns: [RESOLVER], host: lab.host });
  [one, other] = await Promise.all([admitted('10.100.0.2'), admitted('10.100.0.3')]);
  await lab.serve(lab.internetNs, 'server', SERVER, 80);
  await lab.serve(lab.internetNs, 'resolver', RESOLVER, 53);
  await lab.serve(lab.hostNs, 'host', '0.0.0.0', 8080);
  await lab.serve(lab.hostNs, 'host resolver', '0.0.0.0', 53);
  await lab.serve(one.space, 'guest', '0.0.0.0', 8080);
});

afterAll(async () => {
  await network.close();
  await lab.close();
});

async function admitted(ip: string): Promise<LabGuest> {
  const identity = identityAt(ip);
  await network.createTap(identity);
  await network.guardTap(identity);
  return lab.join(identity);
}

test('a guest reaches a server outside, which sees the address of the host', async () => {
  expect(await lab.ask(one.space, 'tcp', SERVER, 80)).toBe(`server ${UPLINK}`);
  expect(await lab.ask(one.space, 'udp', SERVER, 80)).toBe(`server ${UPLINK}`);
});

test('a question to the gateway is answered by the resolver of the host', async () => {
  expect(await lab.ask(one.space, 'udp', GATEWAY, 53)).toBe(`resolver ${UPLINK}`);
  expect(await lab.ask(one.space, 'tcp', GATEWAY, 53)).toBe(`resolver ${UPLINK}`);
});

test('the gateway answers a ping', async () => {
  expect(await lab.ping(one.space, GATEWAY)).toBe(true);
});

test('the host reaches a guest by its address', async () => {
  expect(await lab.ask(lab.hostNs, 'tcp', one.identity.ip, 8080)).toBe(`guest ${GATEWAY}`);
});

test.each([GATEWAY, UPLINK, HOST_OTHER])(
  'a guest does not reach a service of the host on %s',
  async (address) => {
    expect(await lab.ask(lab.hostNs, 'tcp', address, 8080)).toContain('host');
    expect(await lab.ask(one.space, 'tcp', address, 8080)).toBeUndefined();
    expect(await lab.ask(one.space, 'udp', address, 8080)).toBeUndefined();
  },
);

test('no address of the host but the gateway answers a ping', async () => {
  expect(await lab.ping(one.space, UPLINK)).toBe(false);
  expect(await lab.ping(one.space, HOST_OTHER)).toBe(false);
});

test('guests do not reach each other', async () => {
  expect(await lab.ask(lab.hostNs, 'tcp', one.identity.ip, 8080)).toContain('guest');
  expect(await lab.ask(other.space, 'tcp', one.identity.ip, 8080)).toBeUndefined();
  expect(await lab.ping(other.space, one.identity.ip)).toBe(false);
});

test('nobody outside opens a connection to a guest', async () => {
  await lab.ip(lab.internetNs, `route add 10.100.0.0/16 via ${UPLINK}`);
  try {
    expect(await lab.ask(lab.internetNs, 'tcp', one.identity.ip, 8080)).toBeUndefined();
    expect(await lab.ping(lab.internetNs, one.identity.ip)).toBe(false);
  } finally {
    await lab.ip(lab.internetNs, 'route del 10.100.0.0/16');
  }
});

test('a port that somebody publishes on the host is the host, too', async () => {
  const publish = (address: string): string =>
    `table ip engine { chain dstnat { type nat hook prerouting priority dstnat; ip daddr ${address} tcp dport 9090 dnat to ${SERVER}:80; }; }`;
  await lab.output(lab.hostNs, 'nft', ['-f', '-'], publish(UPLINK));
  try {
    expect(await lab.ask(lab.internetNs, 'tcp', UPLINK, 9090)).toBeUndefined();
    expect(await lab.ask(one.space, 'tcp', UPLINK, 9090)).toBeUndefined();
    // The same rule for an address that is not the host's does take effect.
    await lab.output(lab.hostNs, 'nft', ['-f', '-'], publish('198.51.100.99'));
    expect(await lab.ask(one.space, 'tcp', '198.51.100.99', 9090)).toContain('server');
  } finally {
    await lab.output(lab.hostNs, 'nft', ['delete', 'table', 'ip', 'engine']);
  }
});

test('a guest takes no way to a link-local address', async () => {
  await lab.ip(lab.internetNs, 'address add 169.254.169.254/32 dev lo');
  await lab.serve(lab.internetNs, 'metadata', '169.254.169.254', 80);
  expect(await lab.ask(lab.internetNs, 'tcp', '169.254.169.254', 80)).toContain('metadata');
  expect(await lab.ask(lab.hostNs, 'tcp', '169.254.169.254', 80)).toContain('metadata');
  expect(await lab.ask(one.space, 'tcp', '169.254.169.254', 80)).toBeUndefined();
});
