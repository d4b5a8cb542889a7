import { expect, test } from 'vitest';
import { NOTHING_SAID, outsideText, parseOutside } from '../../../src/egress/outside.ts';
import { worldOf } from '../../../src/egress/world.ts';

test('what was said is read again', () => {
  const outside = {
    hosts: { 'api.test': ['192.0.2.1'] },
    networks: ['10.9.0.0/16'],
    trustBundle: '/etc/x.pem',
  };
  expect(parseOutside(outsideText(outside))).toEqual(outside);
  expect(parseOutside(outsideText(NOTHING_SAID))).toEqual(NOTHING_SAID);
});

test('the same said in another order is the same', () => {
  const [one, other] = [
    { b: ['192.0.2.2'], a: ['192.0.2.1'] },
    { a: ['192.0.2.1'], b: ['192.0.2.2'] },
  ];
  expect(outsideText({ hosts: one, networks: [] })).toBe(outsideText({ hosts: other, networks: [] }));
});

test('private addresses stay refused but for the networks that were named', async () => {
  const { isPublicAddress } = await worldOf({ hosts: {}, networks: ['10.9.0.0/16', 'fd00:9::/32'] });
  expect(isPublicAddress?.('10.9.3.4')).toBe(true);
  expect(isPublicAddress?.('fd00:9::1')).toBe(true);
  expect(isPublicAddress?.('10.10.0.1')).toBe(false);
  expect(isPublicAddress?.('fd00:a::1')).toBe(false);
  expect(isPublicAddress?.('169.254.169.254')).toBe(false);
  expect(isPublicAddress?.('9.9.9.9')).toBe(true);
});

test('named hosts are asked of nobody', async () => {
  const { resolve } = await worldOf({ hosts: { 'api.test': ['10.9.0.1'] }, networks: [] });
  expect(await resolve?.('api.test')).toEqual(['10.9.0.1']);
});

test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/', 'x/8', '::/129', '10.0.0.0/8/8x'])(
  '%j is no network',
  async (network) => {
    await expect(worldOf({ hosts: {}, networks: [network] })).rejects.toMatchObject({ reason: 'BadNetwork' });
  },
);
