import { expect, test } from 'vitest';
import { isPublicAddress, publicAddressGuard } from '../../../../src/egress/proxy/public-address.ts';

test.each([
  '8.8.8.8',
  '1.1.1.1',
  '100.63.255.255',
  '172.32.0.1',
  '192.0.1.1',
  '2606:4700::1111',
  '2001:4860:4860::8888',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each([
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.255',
  '127.255.255.255',
  '168.63.129.16',
  '169.254.169.254',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '239.255.255.255',
  '255.255.255.255',
  '::',
  '::1',
  '::7f00:1',
  '::ffff:8.8.8.8',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::1',
  '100::1',
  '2001::1',
  '2001:20::1',
  '2001:db8::1',
  '2002:a9fe:a9fe::',
  '3fff::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  'not an address',
  '',
])('rows 18 and 20: %s is not', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test('row 16: a public address of this host is not reached through the proxy, once it is known', () => {
  const own = new Set(['8.8.8.8']);
  const guard = publicAddressGuard(() => own, 0);
  expect([guard('8.8.8.8'), guard('8.8.4.4')]).toEqual([false, true]);
  own.add('8.8.4.4');
  expect(guard('8.8.4.4')).toBe(false);
});
