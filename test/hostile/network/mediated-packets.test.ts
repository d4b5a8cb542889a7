import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Mediation } from '../../../src/machine/egress.ts';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { ipv6Frame, hexOf, udpFrame } from '../../support/frames.ts';
import type { Ends } from '../../support/frames.ts';
import { fragments, packet, synTo } from '../../support/ipv4-packets.ts';
import { listenFor, portsFrom } from '../../support/mediated-guest.ts';
import { GATEWAY_MAC, SERVER, eventually } from '../../support/netns.ts';
import type { LabGuest, LabProcess } from '../../support/netns.ts';
import { NetworkStage, ONE, OTHER, admit } from '../../support/network-stage.ts';

const PORTS = portsFrom(20_001);
const ENDS: Ends = { fromMac: ONE.mac, toMac: GATEWAY_MAC, fromIp: ONE.ip, toIp: SERVER };
const DIRECT: Mediation = { mode: 'http_https_only', ports: PORTS };
const ALL: Mediation = { mode: 'all', ports: PORTS };

const stage = new NetworkStage();
const { lab } = stage;
let network: OpenNetwork;
let guest: LabGuest;
let outside: LabProcess;
let onWire: LabProcess;
let listeners: readonly LabProcess[];
let count = 0;

beforeAll(async () => {
  await stage.setUp();
  network = await stage.open();
  await admit(network, ONE, OTHER);
  guest = await lab.join(ONE);
  // Its own kernel knows nothing of what is sent below, and would say so to whoever answers.
  await lab.output(guest.space, 'nft', [
    'add table inet mute; add chain inet mute out { type filter hook output priority 0; policy drop; }',
  ]);
  listeners = await listenFor(lab, 'one', PORTS);
  outside = await lab.watch(lab.internetNs, 'up0');
  onWire = await lab.watch(guest.space, 'eth0');
});

afterAll(async () => {
  await stage.close();
});

/** Sends frames, and then one that is allowed: when that has arrived, the others never will. */
async function leaves(frames: readonly string[], mark: string): Promise<boolean> {
  await network.guardTap(ONE, DIRECT);
  return leavesNow(frames, mark);
}

async function leavesInModeAll(frames: readonly string[], mark: string): Promise<boolean> {
  await network.guardTap(ONE, ALL);
  for (const frame of frames) await lab.send(guest, frame);
  await network.guardTap(ONE, DIRECT);
  return leavesNow([], mark);
}

async function leavesNow(frames: readonly string[], mark: string): Promise<boolean> {
  for (const frame of frames) await lab.send(guest, frame);
  const honest = `honest-${(count += 1)}-`;
  await lab.send(guest, udpFrame(ENDS, 7777, honest));
  expect(await outside.said((line) => line.includes(hexOf(honest)))).toBe(true);
  return outside.lines.some((line) => line.includes(mark));
}

/** In a SYN, its sequence number is what tells it from all others. */
function syn(port: number): { readonly segment: Buffer; readonly mark: string } {
  const sequence = 0x5eed_0000 + (count += 1);
  return { segment: synTo(ENDS, port, sequence), mark: sequence.toString(16) };
}

test('fragments of eight bytes are put together before anybody judges them', async () => {
  const allowed = syn(5432);
  expect(await leaves(fragments(ENDS, 6, allowed.segment, 1), allowed.mark)).toBe(true);
  for (const [id, port] of [80, 443, 53, 853].entries()) {
    const { segment, mark } = syn(port);
    expect(await leaves(fragments(ENDS, 6, segment, 100 + id), mark)).toBe(false);
  }
  const refused = syn(5432);
  const resets = (): number =>
    onWire.lines.filter((line) => line.slice(92, 96) === '5014' || line.slice(92, 96) === '5004').length;
  const before = resets();
  expect(await leavesInModeAll(fragments(ENDS, 6, refused.segment, 200), refused.mark)).toBe(false);
  expect(await eventually(() => resets() > before)).toBe(true);
});

test('fragments that are never complete go nowhere', async () => {
  const { segment, mark } = syn(5432);
  expect(await leaves(fragments(ENDS, 6, segment, 300).slice(0, 2), mark)).toBe(false);
});

test.each([1, 2, 4, 41, 47, 50, 51, 89, 94, 112, 132, 136, 253])(
  'IP protocol %i goes nowhere in mode all',
  async (protocol) => {
    const mark = hexOf(`tunnel-${protocol}-`);
    // An echo request as ICMP would have it, whatever the protocol makes of it.
    const payload = Buffer.from(`0800000000010001${mark}`, 'hex');
    expect(await leavesInModeAll([packet(ENDS, protocol, payload)], mark)).toBe(false);
  },
);

test.each([2, 4, 41, 47, 50, 51, 89, 94, 112, 132, 136, 253])(
  'IP protocol %i, in which a tunnel could have every port, goes nowhere in mode http_https_only either',
  async (protocol) => {
    const mark = hexOf(`direct-${protocol}-`);
    const payload = Buffer.from(`0800000000010001${mark}`, 'hex');
    expect(await leaves([packet(ENDS, protocol, payload)], mark)).toBe(false);
  },
);

test.each([
  ['an echo request', 8, true],
  ['a redirect', 5, false],
  ['a timestamp request', 13, false],
  ['an address mask request', 17, false],
])('of ICMP, %s (type %i) leaves in mode http_https_only: %s', async (_what, type, isLeaving) => {
  const mark = hexOf(`icmp-${type}-`);
  expect(await leaves([packet(ENDS, 1, icmpOf(type, mark))], mark)).toBe(isLeaving);
});

/** With its checksum (RFC 1071), without which conntrack takes no notice of it. */
function icmpOf(type: number, mark: string): Buffer {
  const text = `${type.toString(16).padStart(2, '0')}00000000010001${mark}`;
  const message = Buffer.from(text.length % 4 === 0 ? text : `${text}00`, 'hex');
  let sum = 0;
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  message.writeUInt16BE(0xffff - sum, 2);
  return message;
}

test("another guest's address brings nobody to a listener", async () => {
  const { segment, mark } = syn(443);
  await network.guardTap(OTHER, { mode: 'all', ports: portsFrom(21_001) });
  const others = await listenFor(lab, 'other', portsFrom(21_001));
  const answers = await lab.watch(lab.hostNs, OTHER.tap);
  expect(await leaves([packet({ ...ENDS, fromIp: OTHER.ip }, 6, segment)], mark)).toBe(false);
  expect(answers.lines).toEqual(['watching']);
  for (const listener of [...listeners, ...others]) expect(listener.lines).toEqual(['ready']);
});

test('IPv6 leaves in no mode', async () => {
  const mark = hexOf('six');
  const frame = ipv6Frame(ONE.mac, GATEWAY_MAC, 'six');
  expect(await leaves([frame], mark)).toBe(false);
  expect(await leavesInModeAll([frame], mark)).toBe(false);
});
