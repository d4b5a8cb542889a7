import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Mediation } from '../../../src/machine/egress.ts';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { knock, listenFor, portsFrom, talk } from '../../support/mediated-guest.ts';
import { GATEWAY, SERVER, TAG, UPLINK, eventually } from '../../support/netns.ts';
import type { LabGuest } from '../../support/netns.ts';
import { NetworkStage, ONE, OTHER, admit } from '../../support/network-stage.ts';

const PORTS = portsFrom(20_001);
const ALL: Mediation = { mode: 'all', ports: PORTS };

let stage: NetworkStage;
let network: OpenNetwork;
let guest: LabGuest;
let mending: Promise<void>;

beforeEach(async () => {
  mending = Promise.resolve();
  stage = await new NetworkStage().setUp();
  await stage.lab.serve(stage.lab.internetNs, 'outside', '0.0.0.0', 443);
  await stage.lab.serve(stage.lab.internetNs, 'outside', '0.0.0.0', 5432);
  // As a controller does: whoever hears that the guard is open puts it back.
  const open = await stage.open({
    maxAgeMs: 0,
    onForeignChange: () => {
      // One that comes too late for this test finds no host any more.
      mending = mending.then(() => network.guardTap(ONE, ALL)).catch(() => undefined);
    },
  });
  network = open;
  await admit(network, ONE, OTHER);
  await network.guardTap(ONE, ALL);
  await listenFor(stage.lab, 'one', PORTS);
  guest = await stage.lab.join(ONE);
  await stage.lab.ip(stage.lab.internetNs, `route add 10.100.0.0/16 via ${UPLINK}`);
});

afterEach(async () => {
  await network.close();
  await mending;
  await stage.close();
});

test.each([
  ['the whole ruleset is flushed', ['flush', 'ruleset']],
  ['the table behind the taps is deleted', ['delete', 'table', 'inet', `hypeman-${TAG}`]],
  [
    'both tables are, one after the other',
    ['delete table inet hypeman-lab0; delete table netdev hypeman-lab0'],
  ],
  [
    'the maps are emptied',
    [`flush map inet hypeman-${TAG} listeners; flush map inet hypeman-${TAG} departures`],
  ],
])('when %s under load, nothing leaves and the guard comes back', async (_, change) => {
  const outside = await stage.lab.watch(stage.lab.internetNs, 'up0');
  const load = await stage.lab.start(guest.space, process.execPath, ['-e', LOAD_PROGRAM, SERVER]);
  expect(await load.said((line) => line === '443 answered')).toBe(true);
  for (let times = 0; times < 3; times += 1) {
    const answered = load.lines.length;
    await stage.lab.output(stage.lab.hostNs, 'nft', change);
    expect(await eventually(async () => (await network.look(ONE)).guard.state === 'guarded')).toBe(true);
    expect(await eventually(() => load.lines.slice(answered).includes('443 answered'))).toBe(true);
  }
  await load.end();
  expect((await network.look(ONE)).guard).toEqual({ state: 'guarded', mediation: ALL });
  const own = Buffer.from(ONE.ip.split('.').map(Number)).toString('hex');
  const host = Buffer.from(UPLINK.split('.').map(Number)).toString('hex');
  const left = outside.lines.filter(
    (line) => line.slice(24, 28) === '0800' && [own, host].includes(line.slice(52, 60)),
  );
  expect(left).toEqual([]);
  expect(load.lines.filter((line) => line.includes('LEAKED'))).toEqual([]);
});

test('what reached the host while the rules were gone ends when they are back, even if the host speaks first', async () => {
  const closed = await stage.open();
  const server = await talk(stage.lab, stage.lab.hostNs, UPLINK, 8080);
  const listener = await talk(stage.lab, stage.lab.hostNs, GATEWAY, 21_001);
  await network.close();
  await stage.lab.output(stage.lab.hostNs, 'nft', ['flush', 'ruleset']);
  const slip = await stage.lab.start(guest.space, process.execPath, ['-e', SLIP_PROGRAM, UPLINK, '8080']);
  const other = await stage.lab.start(guest.space, process.execPath, ['-e', SLIP_PROGRAM, GATEWAY, '21001']);
  for (const one of [slip, other]) expect(await one.said((line) => line === 'heard')).toBe(true);
  expect(await knock(stage.lab, guest.space, 'tcp', [SERVER, 443])).not.toContain('outside');
  await closed.guardTap(ONE, ALL);
  for (const one of [slip, other, server, listener]) {
    const heard = (): number => one.lines.filter((line) => line === 'heard').length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = heard();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(heard()).toBe(before);
  }
});

/** Connects again and again, to what is redirected and what is refused; says what was answered and by whom. */
const LOAD_PROGRAM = `
const [server] = process.argv.slice(1);
const net = require('node:net');
const udp = require('node:dgram').createSocket('udp4');
udp.on('error', () => {});
const knock = (port) => {
  const socket = net.connect(port, server);
  socket.setTimeout(300, () => socket.destroy());
  socket.on('data', (bytes) => console.log(port + (String(bytes).startsWith("one's tls") ? ' answered' : ' LEAKED')));
  socket.on('error', () => {});
};
setInterval(() => { knock(443); knock(5432); udp.send('quic', 443, server); udp.send('data', 5432, server); }, 5);
`;

const SLIP_PROGRAM = `
const [address, port] = process.argv.slice(1);
const socket = require('node:net').connect(Number(port), address);
socket.on('data', () => { console.log('heard'); socket.write('more '); });
socket.on('error', () => {});
setInterval(() => {}, 1000);
`;
