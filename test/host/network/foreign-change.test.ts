import { afterEach, beforeEach, expect, test } from 'vitest';
import { closingRules } from '../../../src/network/routing.ts';
import { hexOf, udpFrame } from '../../support/frames.ts';
import { GATEWAY_MAC, SERVER, TAG, UPLINK, eventually } from '../../support/netns.ts';
import { NetworkStage, EVERYTHING, ONE, OTHER, admit } from '../../support/network-stage.ts';

let stage: NetworkStage;

beforeEach(async () => {
  stage = await new NetworkStage().setUp();
});

afterEach(async () => {
  await stage.close();
});

test.each([
  ['the whole ruleset', ['flush', 'ruleset']],
  ['the table at the taps', ['delete', 'table', 'netdev', `hypeman-${TAG}`]],
  ['the table behind them', ['delete', 'table', 'inet', `hypeman-${TAG}`]],
  ['the rules of one chain', ['flush', 'chain', 'inet', `hypeman-${TAG}`, 'host']],
  ["a guest's element", ['flush', 'set', 'inet', `hypeman-${TAG}`, 'guests']],
  ["a guest's chain", ['flush', 'chain', 'netdev', `hypeman-${TAG}`, ONE.tap]],
])('when somebody removes %s, that is told, seen and mended', async (_, change) => {
  let told = 0;
  const network = await stage.open({ onForeignChange: () => (told += 1), maxAgeMs: 60_000 });
  await admit(network, ONE, OTHER);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
  await stage.lab.output(stage.lab.hostNs, 'nft', change);
  expect(await eventually(() => told > 0)).toBe(true);
  expect((await network.look(ONE)).guard.state).toBe('open');
  await network.guardTap(ONE);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
});

test('mending one guest mends all of them', async () => {
  const network = await stage.open();
  await admit(network, ONE, OTHER);
  await stage.lab.output(stage.lab.hostNs, 'nft', ['flush', 'ruleset']);
  await network.guardTap(ONE);
  expect((await network.look(OTHER)).guard.state).toBe('guarded');
});

test('changes of our own and changes elsewhere are not told', async () => {
  let told = 0;
  const network = await stage.open({ onForeignChange: () => (told += 1) });
  await admit(network, ONE, OTHER);
  await stage.lab.output(stage.lab.hostNs, 'nft', ['add', 'table', 'inet', 'stranger']);
  await network.remove(OTHER);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(told).toBe(0);
});

test('routing rules that somebody removed count as an open guard', async () => {
  const network = await stage.open({ maxAgeMs: 0 });
  await admit(network, ONE);
  await stage.lab.ip(stage.lab.hostNs, 'rule del pref 4802');
  expect((await network.look(ONE)).guard.state).toBe('open');
  await network.guardTap(ONE);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
  expect((await stage.lab.output(stage.lab.hostNs, 'ip', ['rule'])).match(/10\.100\.0\.0/g)).toHaveLength(
    closingRules('10.100.0.0/16').length,
  );
});

test('while the rules are flushed, nothing leaves a guest, not even under another name', async () => {
  const network = await stage.open();
  await admit(network, ONE, OTHER);
  const guest = await stage.lab.join(ONE);
  const victim = await stage.lab.join(OTHER);
  await stage.lab.serve(stage.lab.internetNs, 'server', SERVER, 80);
  await stage.lab.serve(victim.space, 'victim', '0.0.0.0', 80);
  await stage.lab.ip(stage.lab.internetNs, `route add 10.100.0.0/16 via ${UPLINK}`);
  expect(await stage.reachesServer(guest)).toBe(true);
  await stage.lab.output(stage.lab.hostNs, 'nft', ['flush', 'ruleset']);
  expect(await stage.reachesServer(guest)).toBe(false);
  expect(await stage.lab.ask(guest.space, 'tcp', OTHER.ip, 80)).toBeUndefined();
  const outside = await stage.lab.watch(stage.lab.internetNs, 'up0');
  const ends = { fromMac: ONE.mac, toMac: GATEWAY_MAC, toIp: SERVER };
  await stage.lab.send(guest, udpFrame({ ...ends, fromIp: '203.0.113.9' }, 80, 'spoofed'));
  await network.guardTap(ONE);
  await stage.lab.send(guest, udpFrame({ ...ends, fromIp: ONE.ip }, 80, 'honest'));
  expect(await outside.said((line) => line.includes(hexOf('honest')))).toBe(true);
  expect(await outside.said((line) => line.includes(hexOf('spoofed')), 0)).toBe(false);
  expect(await stage.reachesServer(guest)).toBe(true);
});

test('what slipped in while the rules were flushed ends when they are back', async () => {
  const network = await stage.open();
  await admit(network, ONE);
  const guest = await stage.lab.join(ONE);
  const host = await stage.lab.serve(stage.lab.hostNs, 'host', UPLINK, 8080);
  // Somebody else's rules keep the kernel tracking connections.
  const tracking =
    'table inet stranger { chain input { type filter hook input priority filter; ct state established accept; }; }';
  await stage.lab.output(stage.lab.hostNs, 'nft', ['-f', '-'], `flush ruleset\n${tracking}`);
  const say = (word: string): Promise<void> =>
    stage.lab.send(
      guest,
      udpFrame({ fromMac: ONE.mac, toMac: GATEWAY_MAC, fromIp: ONE.ip, toIp: UPLINK }, 8080, word),
    );
  await say('first');
  expect(await host.said((line) => line.includes('first'))).toBe(true);
  await say('second');
  expect(await host.said((line) => line.includes('second'))).toBe(true);
  await network.guardTap(ONE);
  await say('third');
  expect(await host.said((line) => line.includes('third'), 500)).toBe(false);
});
