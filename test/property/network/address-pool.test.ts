import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyOf } from '../../../src/machine/ids.ts';
import { openAddressPool } from '../../../src/network/address-pool.ts';
import { ipv4Number } from '../../../src/network/ipv4.ts';

const step = fc.record({
  key: fc.integer({ min: 0, max: 20 }).map((number) => keyOf('default', `i${number}`)),
  does: fc.constantFrom('lease', 'lease', 'release'),
});

test('whatever comes and goes, addresses are stable, unique, inside, and run out only when all are taken', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const pool = openAddressPool({ subnet: '10.9.8.0/28' });
      const held = new Map<string, string>();
      for (const { key, does } of steps) {
        if (does === 'release') {
          pool.release(key);
          held.delete(key);
          continue;
        }
        if (held.size === 13 && !held.has(key)) {
          expect(() => pool.lease(key)).toThrow('are taken');
          continue;
        }
        const lease = pool.lease(key);
        expect(lease.ip).toBe(held.get(key) ?? lease.ip);
        held.set(key, lease.ip);
        expect(lease.index).toBe((ipv4Number(lease.ip) ?? 0) - 0x0a09_0800);
        expect(lease.index).toBeGreaterThanOrEqual(2);
        expect(lease.index).toBeLessThanOrEqual(14);
        expect(new Set(held.values()).size).toBe(held.size);
      }
    }),
  );
});

test('a pool that is rebuilt from its records gives everybody the same again', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 65_000 }), { maxLength: 40 }), (offsets) => {
      const pool = openAddressPool();
      const ips = offsets.map((offset) => `10.100.${Math.floor(offset / 256)}.${offset % 256}`);
      for (const [at, ip] of ips.entries()) pool.adopt(keyOf('default', `i${at}`), ip);
      expect(ips.map((_, at) => pool.lease(keyOf('default', `i${at}`)).ip)).toEqual(ips);
      expect(ips).not.toContain(pool.lease(keyOf('default', 'new')).ip);
    }),
  );
});
