import { describe, expect, test } from 'vitest';
import { FROM_GUEST, FROM_HOST } from '../../../src/guest/protocol.ts';
import { stateBytes } from '../../support/hostile-guest.ts';
import { heardTypes, id, started, until } from '../../support/link-stage.ts';
import { SHAPE_CA } from '../../support/test-ca.ts';

describe('a guest that is to be another', () => {
  const identity = {
    hostname: 'web-2',
    network: { ip: '10.100.0.3', gateway: '10.100.0.1', mac: '02:68:0a:64:00:03' },
    machineId: 'ab'.repeat(16),
  };
  const refresh = { epochMs: 1_700_000_000_000.4, entropy: Buffer.from('00ff', 'hex') };

  test('is told who, when, and by chance, and tells whose identity it has', async () => {
    const { links, end } = await started();
    links.identify(id, identity, refresh);
    await until(() => heardTypes(end).includes(FROM_HOST.identify));
    expect(end.heard.at(-1)?.payload.toString()).toBe(
      `ione\0hweb-2\0n${'ab'.repeat(16)}\0t1700000000000\0r00ff\0p10.100.0.3\0g10.100.0.1\0m02:68:0a:64:00:03\0`,
    );
    end.say(FROM_GUEST.state, 0, stateBytes(1, { identity: 'ione\0' }));
    await until(() => 'identity' in links.lastTold(id));
    expect(links.lastTold(id)).toMatchObject({ identity: id });
  });

  test('gets its own CA, and no address where it has no network', async () => {
    const { links, end } = await started();
    const { hostname, machineId } = identity;
    const authority = { certificate: SHAPE_CA, fingerprint: 'ab'.repeat(32) };
    links.identify(id, { hostname, machineId, authority }, { ...refresh, entropy: Buffer.alloc(600, 1) });
    await until(() => heardTypes(end).includes(FROM_HOST.identify));
    const words = end.heard.at(-1)?.payload.toString().split('\0') ?? [];
    expect(words.map((word) => word[0])).toEqual(['i', 'h', 'n', 't', 'r', 'c', 'f', 'k', undefined]);
    expect(words.find((word) => word.startsWith('r'))).toBe(`r${'01'.repeat(512)}`);
  });

  test('stands still until it is released', async () => {
    const { links, end, changes } = await started();
    links.hold(id);
    links.release(id);
    await until(() => heardTypes(end).includes(FROM_HOST.release));
    expect(heardTypes(end).slice(-2)).toEqual([FROM_HOST.hold, FROM_HOST.release]);
    const before = changes();
    end.say(FROM_GUEST.state, 0, stateBytes(1, { held: 1, identity: 'ione\0' }));
    await until(() => changes() === before + 1);
    expect(links.lastTold(id)).toMatchObject({ held: true });
    end.say(FROM_GUEST.state, 0, stateBytes(1, { identity: 'ione\0' }));
    await until(() => changes() === before + 2);
    expect(links.lastTold(id)).not.toHaveProperty('held');
  });
});
