import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EgressMode, Mediation } from '../../../src/machine/egress.ts';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { hold, knock, listenFor, portsFrom, talk } from '../../support/mediated-guest.ts';
import { GATEWAY, SERVER, TAG, eventually } from '../../support/netns.ts';
import type { LabGuest, LabProcess } from '../../support/netns.ts';
import { NetworkStage, NOTHING, ONE, OTHER, admit } from '../../support/network-stage.ts';

const PORTS = portsFrom(20_001);
const NEXT_PORTS = portsFrom(23_001);
const ALL: Mediation = { mode: 'all', ports: PORTS };

let stage: NetworkStage;
let network: OpenNetwork;
let guest: LabGuest;

beforeEach(async () => {
  stage = await new NetworkStage().setUp();
  network = await stage.open();
  await admit(network, ONE, OTHER);
  guest = await stage.lab.join(ONE);
});

afterEach(async () => {
  await stage.close();
});

const guardOf = async (seen: OpenNetwork): Promise<unknown> => (await seen.look(ONE)).guard;
const isCut = (one: LabProcess): Promise<boolean> => one.said((line) => line === 'cut', 1000);

test('what was switched is what is seen, whichever way it is switched', async () => {
  const modes: readonly EgressMode[] = ['all', 'http_https_only', 'offered'];
  const mediations = modes.flatMap((mode): readonly Mediation[] => [
    { mode },
    { mode, ports: PORTS },
    { mode, ports: NEXT_PORTS },
  ]);
  const walk = [
    undefined,
    ...mediations,
    ...mediations.slice(-1),
    undefined,
    ...mediations.reverse(),
    undefined,
  ];
  for (const mediation of walk) {
    await network.guardTap(ONE, mediation);
    const expected = { state: 'guarded', ...(mediation === undefined ? {} : { mediation }) };
    expect(await guardOf(network)).toEqual(expected);
    expect((await network.look(OTHER)).guard).toEqual({ state: 'guarded' });
  }
});

test.each<[number, Mediation]>([
  [5432, ALL],
  [443, ALL],
  [80, { mode: 'all' }],
  [443, { mode: 'http_https_only', ports: PORTS }],
  [853, { mode: 'http_https_only', ports: PORTS }],
])('a direct connection to port %i is cut on both sides by %o', async (port, mediation) => {
  const server = await talk(stage.lab, stage.lab.internetNs, SERVER, port);
  const held = await hold(stage.lab, guest.space, { address: SERVER, port });
  await network.guardTap(ONE, mediation);
  expect(await isCut(held)).toBe(true);
  expect(await isCut(server)).toBe(true);
});

test('a connection on which only the other side speaks is cut, too', async () => {
  const server = await talk(stage.lab, stage.lab.internetNs, SERVER, 5432);
  const held = await hold(stage.lab, guest.space, { address: SERVER, port: 5432, isSilent: true });
  await network.guardTap(ONE, ALL);
  expect(await isCut(server)).toBe(true);
  const heard = held.lines.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(held.lines.length).toBe(heard);
});

test('what the next mode still allows goes on', async () => {
  await talk(stage.lab, stage.lab.internetNs, SERVER, 5432);
  const held = await hold(stage.lab, guest.space, { address: SERVER, port: 5432 });
  await network.guardTap(ONE, { mode: 'http_https_only', ports: PORTS });
  const heard = held.lines.length;
  expect(await eventually(() => held.lines.length > heard + 5)).toBe(true);
  expect(held.lines).not.toContain('cut');
});

test.each<[string, Mediation | undefined]>([
  ['switched off', undefined],
  ['moved to the listeners of a new process', { mode: 'all', ports: NEXT_PORTS }],
  ['left without a proxy', { mode: 'all' }],
])('a connection through the proxy is cut when the guest is %s', async (_, next) => {
  await talk(stage.lab, stage.lab.hostNs, GATEWAY, PORTS.tls);
  await network.guardTap(ONE, ALL);
  const held = await hold(stage.lab, guest.space, { address: SERVER, port: 443 });
  await network.guardTap(ONE, next);
  expect(await isCut(held)).toBe(true);
});

test('a connection through the proxy lives through what does not concern it', async () => {
  await talk(stage.lab, stage.lab.hostNs, GATEWAY, PORTS.tls);
  await network.guardTap(ONE, ALL);
  const held = await hold(stage.lab, guest.space, { address: SERVER, port: 443 });
  await network.guardTap(OTHER, { mode: 'all', ports: NEXT_PORTS });
  await network.guardTap(ONE, { mode: 'http_https_only', ports: PORTS });
  await network.remove(OTHER);
  const heard = held.lines.length;
  expect(await eventually(() => held.lines.length > heard + 5)).toBe(true);
});

test('a port that went from one guest to another one serves the other one only', async () => {
  await network.guardTap(ONE, ALL);
  await listenFor(stage.lab, 'one', PORTS);
  expect(await knock(stage.lab, guest.space, 'tcp', [SERVER, 443])).toContain("one's tls");
  await network.guardTap(ONE, { mode: 'all' });
  await network.guardTap(OTHER, ALL);
  const other = await stage.lab.join(OTHER);
  expect(await knock(stage.lab, guest.space, 'tcp', [SERVER, 443])).toBe('reset');
  expect(await knock(stage.lab, other.space, 'tcp', [SERVER, 443])).toContain(OTHER.ip);
});

test('a next controller finds every mediation, and brings it back when the rules are lost', async () => {
  await network.guardTap(ONE, ALL);
  await network.guardTap(OTHER, { mode: 'http_https_only' });
  await network.close();
  const next = await stage.open();
  expect(await guardOf(next)).toEqual({ state: 'guarded', mediation: ALL });
  await stage.lab.output(stage.lab.hostNs, 'nft', ['flush', 'ruleset']);
  // Mending one mends all, each as it was.
  await next.guardTap(OTHER, { mode: 'http_https_only' });
  expect(await guardOf(next)).toEqual({ state: 'guarded', mediation: ALL });
  expect((await next.look(OTHER)).guard).toEqual({
    state: 'guarded',
    mediation: { mode: 'http_https_only' },
  });
  await listenFor(stage.lab, 'one', PORTS);
  expect(await knock(stage.lab, guest.space, 'tcp', [SERVER, 443])).toContain("one's tls");
});

test.each([
  ['set', 'guests'],
  ['map', 'mediation'],
  ['map', 'departures'],
  ['map', 'listeners'],
  ['set', 'doors'],
])(
  'without the elements of the %s %s, the guard is open, that is told, and it is mended',
  async (kind, name) => {
    let told = 0;
    const watching = await stage.open({ onForeignChange: () => (told += 1), maxAgeMs: 60_000 });
    await watching.guardTap(ONE, ALL);
    expect(await guardOf(watching)).toEqual({ state: 'guarded', mediation: ALL });
    await stage.lab.output(stage.lab.hostNs, 'nft', ['flush', kind, 'inet', `hypeman-${TAG}`, name]);
    expect(await eventually(() => told > 0)).toBe(true);
    expect(await guardOf(watching)).toEqual({ state: 'open' });
    await watching.guardTap(ONE, ALL);
    expect(await guardOf(watching)).toEqual({ state: 'guarded', mediation: ALL });
  },
);

test('removing mediated guests leaves nothing; neither does collecting them', async () => {
  await network.guardTap(ONE, ALL);
  await network.guardTap(OTHER, { mode: 'http_https_only', ports: NEXT_PORTS });
  await network.remove(ONE);
  expect(await network.look(ONE)).toEqual(NOTHING);
  const table = await stage.lab.output(stage.lab.hostNs, 'nft', ['list', 'table', 'inet', `hypeman-${TAG}`]);
  expect(table).not.toContain(ONE.tap);
  expect(table).toContain(OTHER.tap);
  await network.collect(() => false);
  expect(await stage.leftovers()).toBe('');
  await admit(network, ONE);
  expect(await guardOf(network)).toEqual({ state: 'guarded' });
});
