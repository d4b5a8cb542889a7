import { writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { HypemanError } from '../../../src/errors.ts';
import { RESOLVER, SECOND_RESOLVER, UPLINK } from '../../support/netns.ts';
import { NetworkStage, EVERYTHING, ONE, admit } from '../../support/network-stage.ts';

let stage: NetworkStage;

beforeEach(async () => {
  stage = await new NetworkStage().setUp();
});

afterEach(async () => {
  await stage.close();
});

test('questions follow the resolvers of the host, in turn when there are several', async () => {
  const resolvConf = stage.lab.file('resolv.conf');
  const write = (...servers: readonly string[]): Promise<void> =>
    writeFile(resolvConf, servers.map((server) => `nameserver ${server}\n`).join(''));
  await write(RESOLVER);
  const network = await stage.open({ dns: [], resolvConfs: [resolvConf], maxAgeMs: 0 });
  await admit(network, ONE);
  const guest = await stage.lab.join(ONE);
  await stage.lab.serve(stage.lab.internetNs, 'first', RESOLVER, 53);
  await stage.lab.serve(stage.lab.internetNs, 'second', SECOND_RESOLVER, 53);
  const answer = async (): Promise<string> =>
    (await stage.lab.ask(guest.space, 'udp', ONE.gateway, 53)) ?? 'none';
  expect(await answer()).toContain('first');
  await write(SECOND_RESOLVER);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
  expect(await answer()).toContain('second');
  await write(RESOLVER, SECOND_RESOLVER);
  await network.look(ONE);
  expect([await answer(), await answer()].sort()).toEqual([`first ${UPLINK}`, `second ${UPLINK}`]);
  await write();
  await network.look(ONE);
  expect(await answer()).toBe('none');
  expect(await network.look(ONE)).toEqual(EVERYTHING);
  expect((await network.problems()).join()).toContain('--dns');
});

test.each([
  ['a route', 'route add 10.100.7.0/24 dev up0', '10.100.7.0/24'],
  ['a wider route', 'route add 10.0.0.0/8 dev up0', '10.0.0.0/8'],
  ['an address', 'address add 10.100.3.4/32 dev lo', '10.100.3.4'],
])('%s of the host in the pool is refused by name', async (_, line, named) => {
  await stage.lab.ip(stage.lab.hostNs, line);
  const refused = stage.open().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(await refused).toMatchObject({
    fate: 'invalid',
    reason: 'AddressClash',
    message: expect.stringMatching(new RegExp(`${named.replaceAll('.', '\\.')}.*--subnet`)) as string,
  });
});

test('a rule of the host about packets to a guest is not taken for its route', async () => {
  const network = await stage.open({ maxAgeMs: 0 });
  await admit(network, ONE);
  await stage.lab.ip(stage.lab.hostNs, `rule add pref 500 to ${ONE.ip}/32 lookup main`);
  expect(await network.look(ONE)).toEqual(EVERYTHING);
});

test("another table's drop is a problem until it speaks of our taps", async () => {
  const network = await stage.open();
  expect(await network.problems()).toEqual([]);
  const table =
    'table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop; }; }';
  await stage.lab.output(stage.lab.hostNs, 'nft', ['-f', '-'], table);
  expect(await network.problems()).toEqual([expect.stringContaining('iptables -I FORWARD -i hm-+')]);
  await stage.lab.output(stage.lab.hostNs, 'nft', [
    'add',
    'rule',
    'ip',
    'filter',
    'FORWARD',
    'iifname',
    'hm-*',
    'accept',
  ]);
  expect(await network.problems()).toEqual([]);
});

test('a host without nft opens, and says what is missing when asked about a guest', async () => {
  const { host } = stage.lab;
  const run: typeof host.run = (program, ...rest) =>
    program === 'nft'
      ? Promise.reject(new HypemanError('transient', 'ToolMissing', 'the program nft is not installed'))
      : host.run(program, ...rest);
  const network = await stage.open({ host: { ...host, run } });
  await expect(network.look(ONE)).rejects.toMatchObject({ reason: 'ToolMissing' });
});
