import { expect, test } from 'vitest';
import { HypemanError } from '../../../src/errors.ts';
import { cidrOf, gatewayOf, ipv4Text, macFor, overlaps, parseSubnet } from '../../../src/network/ipv4.ts';

test('the gateway is the first address of the network', () => {
  expect(ipv4Text(gatewayOf(parseSubnet('10.100.0.0/16')))).toBe('10.100.0.1');
  expect(ipv4Text(gatewayOf(parseSubnet('192.168.4.64/26')))).toBe('192.168.4.65');
});

test('a MAC spells the address', () => {
  expect(macFor(0x0a64_00ff)).toBe('02:68:0a:64:00:ff');
});

test.each([
  ['10.100.0.0', 'such as 10.100.0.0/16'],
  ['10.100.0.0/33', 'such as 10.100.0.0/16'],
  ['10.100.0.0/16/2', 'such as 10.100.0.0/16'],
  ['10.100.0/16', 'such as 10.100.0.0/16'],
  ['10.100.0.256/16', 'such as 10.100.0.0/16'],
  ['fd00::/64', 'such as 10.100.0.0/16'],
  ['', 'such as 10.100.0.0/16'],
  ['10.100.0.0/31', 'between /8 and /30'],
  ['10.0.0.0/7', 'between /8 and /30'],
  ['10.100.3.7/16', 'write 10.100.0.0/16'],
  ['127.1.0.0/16', 'cannot be routed'],
  ['169.254.0.0/16', 'cannot be routed'],
  ['224.0.0.0/24', 'cannot be routed'],
  ['255.255.255.0/24', 'cannot be routed'],
])('the subnet %j is refused with advice', (text, advice) => {
  expect(() => parseSubnet(text)).toThrow(HypemanError);
  expect(() => parseSubnet(text)).toThrow(advice);
});

test('networks overlap when one holds a part of the other', () => {
  const pool = parseSubnet('10.100.0.0/16');
  const answers = ['10.100.255.255', '10.0.0.0/8', '10.101.0.0/16', '10.99.255.255', '0.0.0.0/0'].map(
    (text) => {
      const other = cidrOf(text);
      return other !== undefined && overlaps(pool, other);
    },
  );
  expect(answers).toEqual([true, true, false, false, true]);
});
