import { expect, test } from 'vitest';
import { keyOf } from '../../../src/machine/ids.ts';
import { openAddressPool } from '../../../src/network/address-pool.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => keyOf('default', name)) as [
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
  ReturnType<typeof keyOf>,
];

test('the first instance gets the address behind the gateway', () => {
  expect(openAddressPool().lease(A)).toEqual({
    ip: '10.100.0.2',
    gateway: '10.100.0.1',
    mac: '02:68:0a:64:00:02',
    index: 2,
  });
});

test('an address is the same on each call until it is released', () => {
  const pool = openAddressPool({ subnet: '10.9.0.0/24' });
  const first = pool.lease(A);
  pool.lease(B);
  expect(pool.lease(A)).toEqual(first);
});

test('a released address rests while there are others', () => {
  const pool = openAddressPool({ subnet: '10.9.0.0/29' });
  pool.lease(A);
  pool.release(A);
  expect(pool.lease(B).ip).toBe('10.9.0.3');
});

test('when the pool is taken, that is said, and a release mends it', () => {
  const pool = openAddressPool({ subnet: '10.9.0.0/30' });
  pool.lease(A);
  expect(() => pool.lease(B)).toThrow('all 1 addresses of 10.9.0.0/30 are taken');
  pool.release(A);
  expect(pool.lease(B).ip).toBe('10.9.0.2');
});

test('an adopted address is kept, leased to nobody else, and clashes with another key', () => {
  const pool = openAddressPool({ subnet: '10.9.0.0/24' });
  pool.adopt(A, '10.9.0.2');
  pool.adopt(A, '10.9.0.2');
  expect(pool.lease(A).ip).toBe('10.9.0.2');
  expect(pool.lease(B).ip).toBe('10.9.0.3');
  expect(() => {
    pool.adopt(C, '10.9.0.2');
  }).toThrow('10.9.0.2 of default/c belongs to default/a already');
  expect(() => {
    pool.adopt(A, '10.9.0.9');
  }).toThrow('default/a has 10.9.0.2 already');
});

test('an instance of a former subnet is told what to do', () => {
  const pool = openAddressPool({ subnet: '10.9.0.0/24' });
  pool.adopt(A, '10.100.0.2');
  expect(() => pool.lease(A)).toThrow('keeps 10.100.0.2 for life, which is not in --subnet 10.9.0.0/24');
});

test('releasing what was never leased changes nothing', () => {
  const pool = openAddressPool();
  pool.release(A);
  expect(pool.lease(A).index).toBe(2);
});
