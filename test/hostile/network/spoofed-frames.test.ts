import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mediation } from '../../../src/machine/egress.ts';
import type { Shaping } from '../../../src/machine/network.ts';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { openNetwork } from '../../../src/network/open-network.ts';
import {
  BROADCAST_MAC,
  arpRequest,
  ethernet,
  hexOf,
  ipv6Frame,
  tagged,
  udpFrame,
} from '../../support/frames.ts';
import type { Ends } from '../../support/frames.ts';
import {
  GATEWAY,
  GATEWAY_MAC,
  HOST_OTHER,
  NetnsLab,
  RESOLVER,
  SERVER,
  TAG,
  UPLINK,
  eventually,
  identityAt,
} from '../../support/netns.ts';
import type { LabGuest, LabProcess } from '../../support/netns.ts';

const ATTACKER = identityAt('10.100.0.2');
const VICTIM = identityAt('10.100.0.3');
const OWN: Ends = { fromMac: ATTACKER.mac, toMac: GATEWAY_MAC, fromIp: ATTACKER.ip, toIp: SERVER };
const QUESTION: Ends = { ...OWN, toMac: BROADCAST_MAC, toIp: GATEWAY };
const PORT = 7777;

/** An upload limit sends packets through another device, behind which the ingress hook is not asked again. */
describe.each<{ with: string; shaping: Shaping; mediation?: Mediation }>([
  { with: 'no limits', shaping: {} },
  { with: 'an upload limit', shaping: { uploadBps: 10_000_000 } },
  {
    with: 'mediation',
    shaping: {},
    mediation: {
      mode: 'http_https_only',
      ports: { explicit: 20_001, tls: 20_002, http: 20_003, dns: 20_004 },
    },
  },
])('a guest with $with', ({ shaping, mediation }) => {
  const lab = new NetnsLab();
  let network: OpenNetwork;
  let attacker: LabGuest;
  /** Everything that leaves to the internet, that reaches the victim, and that a socket of the host hears. */
  let outside: LabProcess;
  let victim: LabProcess;
  let host: LabProcess;
  let onWire: LabProcess;
  let count = 0;

  beforeAll(async () => {
    await lab.open();
    network = await openNetwork({ tag: TAG, dns: [RESOLVER], host: lab.host });
    for (const identity of [ATTACKER, VICTIM]) {
      await network.createTap(identity);
      await network.guardTap(identity, mediation);
    }
    await network.shapeTap(ATTACKER, shaping);
    attacker = await lab.join(ATTACKER);
    const victimGuest = await lab.join(VICTIM);
    outside = await lab.watch(lab.internetNs, 'up0');
    victim = await lab.watch(victimGuest.space, 'eth0');
    host = await lab.serve(lab.hostNs, 'host', '0.0.0.0', PORT);
    onWire = await lab.watch(attacker.space, 'eth0');
    // Its own kernel asks nothing between our questions.
    await lab.ip(attacker.space, `neighbour replace ${GATEWAY} lladdr ${GATEWAY_MAC} dev eth0 nud permanent`);
    // A peer that would be heard if the guard let it through, with ways back to everybody.
    await lab.ip(lab.internetNs, `route add 10.100.0.0/16 via ${UPLINK}`);
  });

  afterAll(async () => {
    await network.close();
    await lab.close();
  });

  /** Sends, then an honest frame: when that one has arrived, the other one never will. */
  async function arrives(make: (word: string) => string): Promise<boolean> {
    const word = `attack-${(count += 1)}-`;
    await lab.send(attacker, make(word));
    const honest = `honest-${count}-`;
    await lab.send(attacker, udpFrame(OWN, PORT, honest));
    expect(await outside.said((line) => line.includes(hexOf(honest)))).toBe(true);
    const isHeard = ({ lines }: LabProcess): boolean =>
      lines.some((line) => line.includes(hexOf(word)) || line.includes(word));
    return [outside, victim, host].some(isHeard);
  }

  /** Asks, then asks honestly: when that is answered, nothing more will come. */
  async function isAnswered(frame: string): Promise<boolean> {
    const answers = (): number => onWire.lines.filter((line) => line.slice(24, 28) === '0806').length;
    const before = answers();
    await lab.send(attacker, frame);
    await lab.send(attacker, arpRequest(QUESTION));
    expect(await eventually(() => answers() > before)).toBe(true);
    await lab.ping(attacker.space, GATEWAY);
    return answers() - before > 1;
  }

  test('its own frame passes: the attacks below differ from it in one thing each', async () => {
    expect(await arrives((word) => udpFrame(OWN, PORT, word))).toBe(true);
  });

  test.each<[string, Partial<Ends>]>([
    ['with a foreign MAC', { fromMac: '02:68:de:ad:be:ef' }],
    ["with the victim's MAC", { fromMac: VICTIM.mac }],
    ['with a broadcast MAC as its own', { fromMac: BROADCAST_MAC }],
    ["with the victim's address", { fromIp: VICTIM.ip }],
    ["with the victim's MAC and address", { fromMac: VICTIM.mac, fromIp: VICTIM.ip }],
    ['with an address outside the pool', { fromIp: '203.0.113.9' }],
    ['with no address', { fromIp: '0.0.0.0' }],
    ["with the gateway's address", { fromIp: GATEWAY }],
    ["with the host's address", { fromIp: UPLINK }],
    ['with a loopback address', { fromIp: '127.0.0.1' }],
    ['to another guest', { toIp: VICTIM.ip }],
    ['to another guest, by its MAC', { toIp: VICTIM.ip, toMac: VICTIM.mac }],
    ['to the gateway', { toIp: GATEWAY }],
    ["to the host's uplink", { toIp: UPLINK }],
    ["to the host's other address", { toIp: HOST_OTHER }],
    ['to a loopback address', { toIp: '127.0.0.1' }],
    ['to an address of the pool that nobody has', { toIp: '10.100.9.9' }],
    ["to the pool's broadcast address", { toIp: '10.100.255.255', toMac: BROADCAST_MAC }],
    ['to everybody', { toIp: '255.255.255.255', toMac: BROADCAST_MAC }],
    ['to a multicast group', { toIp: '224.0.0.251', toMac: '01:00:5e:00:00:fb' }],
    ['to a link-local address', { toIp: '169.254.169.254' }],
  ])('a packet %s goes nowhere', async (_, lie) => {
    expect(await arrives((word) => udpFrame({ ...OWN, ...lie }, PORT, word))).toBe(false);
  });

  test('a DHCP request is heard by nobody', async () => {
    const dhcp = await lab.serve(lab.hostNs, 'dhcp', '0.0.0.0', 67);
    const ends = { ...OWN, fromIp: '0.0.0.0', toIp: '255.255.255.255', toMac: BROADCAST_MAC };
    expect(await arrives((word) => udpFrame(ends, 67, word))).toBe(false);
    expect(dhcp.lines.some((line) => line.startsWith('udp'))).toBe(false);
  });

  test.each([0, 1, 100])('a frame with the VLAN tag %i goes nowhere', async (vlan) => {
    expect(await arrives((word) => tagged(udpFrame(OWN, PORT, word), vlan))).toBe(false);
  });

  test('IPv6 and unknown protocols go nowhere', async () => {
    expect(await arrives((word) => ipv6Frame(ATTACKER.mac, GATEWAY_MAC, word))).toBe(false);
    expect(await arrives((word) => ethernet(GATEWAY_MAC, ATTACKER.mac, 0x88cc, hexOf(word)))).toBe(false);
    expect(await arrives((word) => ethernet(GATEWAY_MAC, ATTACKER.mac, 0x88b5, hexOf(word)))).toBe(false);
  });

  test('a program of the host that listens for one protocol hears none of it', async () => {
    const hears = async (type: number, frame: (word: string) => string): Promise<boolean> => {
      const program = await lab.listen(lab.hostNs, ATTACKER.tap, type);
      await arrives(frame);
      await program.end();
      return program.lines.length > 1;
    };
    expect(await hears(0x0806, () => arpRequest(QUESTION))).toBe(true);
    expect(await hears(0x88cc, (word) => ethernet(GATEWAY_MAC, ATTACKER.mac, 0x88cc, hexOf(word)))).toBe(
      false,
    );
    expect(await hears(0x86dd, (word) => ipv6Frame(ATTACKER.mac, GATEWAY_MAC, word))).toBe(false);
    expect(await hears(0x8100, (word) => tagged(udpFrame(OWN, PORT, word), 7))).toBe(false);
  });

  test('ARP for the gateway is answered; every other question is not', async () => {
    expect(await isAnswered(arpRequest(QUESTION))).toBe(true);
    expect(await isAnswered(arpRequest({ ...QUESTION, toIp: UPLINK }))).toBe(false);
    expect(await isAnswered(arpRequest({ ...QUESTION, toIp: HOST_OTHER }))).toBe(false);
    expect(await isAnswered(arpRequest({ ...QUESTION, toIp: VICTIM.ip }))).toBe(false);
    expect(await isAnswered(arpRequest({ ...QUESTION, fromIp: VICTIM.ip }))).toBe(false);
    expect(await isAnswered(arpRequest({ ...QUESTION, senderMac: VICTIM.mac }))).toBe(false);
    expect(await isAnswered(arpRequest({ ...QUESTION, fromMac: VICTIM.mac, senderMac: ATTACKER.mac }))).toBe(
      false,
    );
    expect(await isAnswered(arpRequest({ ...QUESTION, fromIp: '0.0.0.0' }))).toBe(false);
    expect(await isAnswered(tagged(arpRequest(QUESTION), 0))).toBe(false);
  });

  test('the host still finds the victim where it is, whatever the attacker claimed', async () => {
    await lab.send(
      attacker,
      arpRequest({ ...OWN, toMac: BROADCAST_MAC, fromIp: VICTIM.ip, toIp: VICTIM.ip }),
    );
    expect(await lab.ping(lab.hostNs, VICTIM.ip)).toBe(true);
  });
});
