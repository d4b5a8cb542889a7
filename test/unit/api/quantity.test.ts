import { expect, test } from 'vitest';
import { parseQuantity, quantityText } from '../../../src/api/quantity.ts';
import type { QuantityKind } from '../../../src/api/quantity-kind.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

test.each<[QuantityKind, string | number, number]>([
  ['size', '2GB', 2 * GIB],
  ['size', '512MB', 512 * MIB],
  ['size', '1G', GIB],
  ['size', '2Gi', 2 * GIB],
  ['size', '2GiB', 2 * GIB],
  ['size', '1.5Gi', 1.5 * GIB],
  ['size', '1024.0 MB', GIB],
  ['size', '10gb', 10 * GIB],
  ['size', '10 kilobytes', 10 * 1024],
  ['size', '0', 0],
  ['size', 1073741824, GIB],
  ['size', '1073741824', GIB],
  ['diskRate', '100MB/s', 100 * MIB],
  ['diskRate', '100mb/s', 100 * MIB],
  ['diskRate', '100M', 100 * MIB],
  ['bandwidth', '125MB/s', 125 * MIB],
  ['bandwidth', '1Gbps', 125_000_000],
  ['bandwidth', '1.5Mbps', 187_500],
  ['bandwidth', '100mbps', 12_500_000],
  ['bandwidth', '9bps', 1],
  ['bandwidth', '10Mi', 10 * MIB],
  ['bandwidth', 1000, 1000],
])('as a %s, %s is %d bytes', (kind, text, bytes) => {
  expect(parseQuantity(kind, text)).toEqual({ is: 'bytes', bytes });
});

test.each<[QuantityKind, string, RegExp]>([
  ['bandwidth', '125MBps', /125 megabits or as 125 megabytes.*125Mbps.*125MB\/s/],
  ['bandwidth', '1Gb/s', /1 gigabits or as 1 gigabytes.*1Gbps.*1GB\/s/],
  ['bandwidth', '1gb/s', /1Gbps.*1GB\/s/],
  ['bandwidth', '10Gb', /10Gbps.*10GB\/s/],
  ['size', '10Gb', /10 gigabits or as 10 gigabytes.*10GB/],
  ['size', '10Gib', /gigabits or as 10 gigabytes/],
  ['diskRate', '100Mb/s', /megabits or as 100 megabytes.*100MB\/s/],
  ['diskRate', '100MBps', /megabits or as 100 megabytes.*100MB\/s/],
])('as a %s, %s is refused, naming both readings', (kind, text, both) => {
  expect(parseQuantity(kind, text)).toEqual({ is: 'wrong', message: expect.stringMatching(both) as string });
});

test.each<[QuantityKind, unknown]>([
  ['size', '-1GB'],
  ['size', '+1GB'],
  ['size', ' 1GB'],
  ['size', '1  GB'],
  ['size', '1GB '],
  ['size', 'GB'],
  ['size', ''],
  ['size', '1e9'],
  ['size', '1XB'],
  ['size', '100MB/s'],
  ['size', '0.3'],
  ['size', '1E999'],
  ['size', '999999PB'],
  ['size', -1],
  ['size', 1.5],
  ['size', 2 ** 60],
  ['size', Number.NaN],
  ['size', null],
  ['size', ['1GB']],
  ['size', `1${'0'.repeat(100)}`],
  ['diskRate', '1Gbps'],
  ['bandwidth', '-1Gbps'],
  ['bandwidth', '1Pbps'],
])('as a %s, %j is refused', (kind, text) => {
  expect(parseQuantity(kind, text)).toMatchObject({ is: 'wrong' });
});

test.each<[QuantityKind, number, string]>([
  ['size', 2 * GIB, '2GB'],
  ['size', 1.5 * GIB, '1536MB'],
  ['size', 1000, '1000B'],
  ['size', 0, '0B'],
  ['diskRate', 100 * MIB, '100MB/s'],
  ['bandwidth', 125_000_000, '1Gbps'],
  ['bandwidth', 125 * MIB, '125MB/s'],
])('a %s of %d bytes is printed %s', (kind, bytes, text) => {
  expect(quantityText(kind, bytes)).toBe(text);
});
