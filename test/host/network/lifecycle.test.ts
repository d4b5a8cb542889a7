import { afterEach, beforeEach, expect, test } from 'vitest';
import { GATEWAY_MAC, TAG, identityAt } from '../../support/netns.ts';
import { NetworkStage, EVERYTHING, NOTHING, ONE, OTHER, admit } from '../../support/network-stage.ts';

let stage: NetworkStage;

beforeEach(async () => {
  stage = await new NetworkStage().setUp();
});

afterEach(async () => {
  await stage.close();
});

test('an instance that never had a network has none', async () => {
  const network = await stage.open();
  expect(await network.look(ONE)).toEqual(NOTHING);
  expect(await stage.leftovers()).toBe('');
});

test('a tap comes first, then its guard; both may be asked for again', async () => {
  const network = await stage.open();
  await network.createTap(ONE);
  expect(await network.look(ONE)).toEqual({ ...NOTHING, tap: EVERYTHING.tap });
  await network.guardTap(ONE);
  await network.createTap(ONE);
  await network.guardTap(ONE);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
  expect(await network.look(OTHER)).toEqual(NOTHING);
});

test('a tap belongs to the user of its VMM and takes part in no IPv6', async () => {
  const network = await stage.open();
  await network.createTap(ONE);
  const link = await stage.lab.output(stage.lab.hostNs, 'ip', ['-details', 'link', 'show', ONE.tap]);
  expect(link).toContain(`user ${ONE.owner.uid}`);
  expect(link).toContain('vnet_hdr on');
  expect(link).toContain(GATEWAY_MAC);
  expect(await stage.lab.output(stage.lab.hostNs, 'ip', ['-6', 'address', 'show', 'dev', ONE.tap])).toBe('');
});

test('a tap that was left half made is finished', async () => {
  const network = await stage.open({ maxAgeMs: 0 });
  await stage.lab.ip(stage.lab.hostNs, `tuntap add mode tap name ${ONE.tap} user ${ONE.owner.uid} vnet_hdr`);
  expect(await network.look(ONE)).toEqual(NOTHING);
  await admit(network, ONE);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
});

test("a device of somebody else under the tap's name is replaced", async () => {
  const network = await stage.open({ maxAgeMs: 0 });
  await stage.lab.ip(stage.lab.hostNs, `tuntap add mode tap name ${ONE.tap} user 12345 vnet_hdr`);
  await admit(network, ONE);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
});

test('removing the last instance leaves nothing; removing it again changes nothing', async () => {
  const network = await stage.open();
  await admit(network, ONE, OTHER);
  await network.shapeTap(ONE, { downloadBps: 1_000_000, uploadBps: 2_000_000 });
  await network.remove(ONE);
  expect(await network.look(ONE)).toEqual(NOTHING);
  expect((await network.look(OTHER)).guard.state).toBe('guarded');
  await network.remove(OTHER);
  await network.remove(OTHER);
  expect(await network.look(OTHER)).toEqual(NOTHING);
  expect(await stage.leftovers()).toBe('');
});

test('a next controller finds everything as the last one left it', async () => {
  const first = await stage.open();
  await admit(first, ONE);
  await first.shapeTap(ONE, { uploadBps: 2_000_000 });
  await first.close();
  const second = await stage.open();
  expect(await second.look(ONE)).toEqual({ ...EVERYTHING, shaping: { uploadBps: 2_000_000 } });
  await second.remove(ONE);
  expect(await stage.leftovers()).toBe('');
});

test('a next controller brings rules of another version up to date', async () => {
  await admit(await stage.open(), ONE);
  await stage.lab.output(stage.lab.hostNs, 'nft', ['flush', 'chain', 'inet', `hypeman-${TAG}`, 'host']);
  const second = await stage.open();
  expect(await second.look(ONE)).toEqual(EVERYTHING);
  expect(
    await stage.lab.output(stage.lab.hostNs, 'nft', ['list', 'chain', 'inet', `hypeman-${TAG}`, 'host']),
  ).toContain('drop');
});

test('a guest whose tap went away is guarded again with its next tap', async () => {
  const network = await stage.open();
  await admit(network, ONE, OTHER);
  await stage.lab.ip(stage.lab.hostNs, `link del ${ONE.tap}`);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect((await network.look(ONE)).tap.state).toBe('absent');
  await admit(network, ONE);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
});

test('many at once', async () => {
  const network = await stage.open();
  const identities = Array.from({ length: 24 }, (_, at) => identityAt(`10.100.1.${at + 2}`));
  await Promise.all(identities.map((identity) => admit(network, identity)));
  const states = await Promise.all(identities.map((identity) => network.look(identity)));
  expect(states.every(({ guard }) => guard.state === 'guarded')).toBe(true);
  await Promise.all(identities.map((identity) => network.remove(identity)));
  expect(await stage.leftovers()).toBe('');
});

test('one that cannot be plugged in or let in keeps nobody else of its batch from that', async () => {
  const network = await stage.open();
  await admit(network, ONE);
  const others = Array.from({ length: 8 }, (_, at) => identityAt(`10.100.2.${at + 2}`));
  // No address, so that its tap fails half made; and one that has no tap when it is let in.
  const halfMade = { ...identityAt('10.100.3.1'), ip: '10.100.3.256' };
  const without = identityAt('10.100.3.2');
  const all = [...others.slice(0, 4), halfMade, ...others.slice(4)];
  const made = await Promise.allSettled(all.map((each) => network.createTap(each)));
  expect(all.filter((_, at) => made[at]?.status === 'rejected')).toEqual([halfMade]);
  await Promise.all(
    [...others.slice(0, 4), without, ...others.slice(4)].map((each) => network.guardTap(each)),
  );
  const states = await Promise.all([ONE, ...others].map((each) => network.look(each)));
  expect(states.map(({ tap, guard }) => [tap.state, guard.state])).toEqual(
    states.map(() => ['up', 'guarded']),
  );
  expect((await network.look(without)).tap.state).toBe('absent');
  await Promise.all([ONE, halfMade, without, ...others].map((each) => network.remove(each)));
  expect(await stage.leftovers()).toBe('');
});

test('those who come at once share their transactions', async () => {
  let written = 0;
  const { host } = stage.lab;
  const network = await stage.open({
    host: {
      ...host,
      run: (program, args, input) => {
        if (input !== undefined && !args.includes('-json')) written += 1;
        return host.run(program, args, input);
      },
    },
  });
  await admit(network, ONE);
  const identities = Array.from({ length: 24 }, (_, at) => identityAt(`10.100.1.${at + 2}`));
  written = 0;
  await Promise.all(identities.map((identity) => network.createTap(identity)));
  await Promise.all(identities.map((identity) => network.guardTap(identity)));
  // Two batches of ip and one of nft, each for the first alone and for all others, at most.
  expect(written).toBeLessThanOrEqual(6);
});

test('collecting removes what nobody knows, and nothing of another installation', async () => {
  const network = await stage.open();
  const neighbour = await stage.open({ tag: 'lab1', subnet: '10.101.0.0/16' });
  const theirs = { ...identityAt('10.101.0.2', 'lab1'), gateway: '10.101.0.1' };
  await admit(network, ONE, OTHER);
  await admit(neighbour, theirs);
  await network.shapeTap(OTHER, { uploadBps: 1_000_000 });
  const gone = await network.collect((tap) => tap === ONE.tap);
  expect(gone.join()).toContain(OTHER.tap);
  expect(gone.join()).not.toContain(ONE.tap);
  expect(await network.look(OTHER)).toEqual(NOTHING);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
  expect((await neighbour.look(theirs)).guard.state).toBe('guarded');
  expect(await network.collect((tap) => tap === ONE.tap)).toEqual([]);
  await network.collect(() => false);
  await neighbour.remove(theirs);
  expect(await stage.leftovers()).toBe('');
});
