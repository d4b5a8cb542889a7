import { expect, test } from 'vitest';
import { admission, dismissal, removedTables, wholeRuleset } from '../../../src/network/ruleset.ts';
import { elementsOf } from '../../../src/network/guest-elements.ts';
import { closing } from '../../../src/network/routing.ts';
import { shapingSteps } from '../../../src/network/shaping.ts';
import { tapAddressing, tapCreation, tapSysctls } from '../../../src/network/tap.ts';
import { instanceId, tapNameFor } from '../../../src/machine/ids.ts';
import { ownerFor } from '../../../src/machine/owner.ts';

const tag = 'ab12';
const id = instanceId('tz4a98xxat96iws9zmbrgj3a');
const identity = {
  ...{ id, ip: '10.100.0.5', gateway: '10.100.0.1', mac: '02:68:0a:64:00:05', salt: '' },
  tap: tapNameFor(id, tag),
  owner: ownerFor(5),
};
const policy = {
  tag,
  subnet: '10.100.0.0/16',
  gateway: '10.100.0.1',
  resolvers: ['192.0.2.53', '192.0.2.54'],
};

test('the whole ruleset with one guest is what it was', async () => {
  await expect(wholeRuleset(policy, [identity])).toMatchFileSnapshot('whole.nft');
});

test('without a resolver the gateway answers no questions', async () => {
  await expect(wholeRuleset({ ...policy, resolvers: [] }, [])).toMatchFileSnapshot('no-resolver.nft');
});

test('letting a guest in and out is what it was', async () => {
  const texts = [
    `${admission(tag, identity)}\n`,
    dismissal(tag, elementsOf(identity), [identity.tap]),
    removedTables(tag),
  ];
  await expect(texts.join('\n')).toMatchFileSnapshot('one-guest.nft');
});

test('sending a guest to the proxy, by each mode, is what it was', async () => {
  const ports = { explicit: 20_001, tls: 20_002, http: 20_003, dns: 20_004 };
  const texts = [
    admission(tag, { ...identity, mediation: { mode: 'all', ports } }),
    admission(tag, { ...identity, mediation: { mode: 'http_https_only', ports } }),
    admission(tag, { ...identity, mediation: { mode: 'offered', ports } }),
    admission(tag, { ...identity, mediation: { mode: 'all' } }),
    dismissal(tag, elementsOf({ ...identity, mediation: { mode: 'http_https_only', ports } }), []),
  ];
  await expect(texts.join('\n\n')).toMatchFileSnapshot('mediated-guest.nft');
});

test('a tap is made as it was', async () => {
  const sysctls = Object.entries(tapSysctls(identity)).map(([path, value]) => `${path}=${value}\n`);
  const texts = [
    tapCreation(identity, '02:68:0a:64:00:01'),
    sysctls.join(''),
    tapAddressing(identity),
    closing([{ priority: 4802, from: policy.subnet }], policy.subnet),
  ];
  await expect(texts.join('\n')).toMatchFileSnapshot('tap.ip');
});

test('limits are made as they were', async () => {
  const nothing = { devices: new Map(), routes: new Map(), rules: [], ruleset: 'absent' as const };
  const bare = { ...nothing, rates: new Map<string, number>(), redirected: new Set<string>() };
  const { ip, tc } = shapingSteps(identity.tap, { downloadBps: 20_000_000, uploadBps: 100_000 }, bare);
  await expect(`${ip}\n${tc}`).toMatchFileSnapshot('limits.tc');
});
