import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseQuantity, quantityText } from '../../../src/api/quantity.ts';
import type { QuantityKind } from '../../../src/api/quantity-kind.ts';

const kinds = fc.constantFrom<QuantityKind>('size', 'diskRate', 'bandwidth');
const roundish = fc
  .tuple(
    fc.integer({ min: 0, max: 5000 }),
    fc.constantFrom(1, 125, 1000, 1024, 125_000, 1024 ** 2, 125_000_000, 1024 ** 3),
  )
  .map(([count, unit]) => count * unit);
const amounts = fc.oneof(roundish, fc.maxSafeNat());

test('what is printed is read back as the same bytes', () => {
  fc.assert(
    fc.property(kinds, amounts, (kind, bytes) => {
      expect(parseQuantity(kind, quantityText(kind, bytes))).toEqual({ is: 'bytes', bytes });
    }),
  );
});

test('printing what was read, and reading it again, comes to rest', () => {
  const text = fc.stringMatching(/^[0-9]{1,6}(\.[0-9]{1,2})? ?(|B|[kKmMgG]i?B?|[kmg]b|[KMG]bps)(\/s)?$/);
  fc.assert(
    fc.property(kinds, text, (kind, written) => {
      const first = parseQuantity(kind, written);
      if (first.is !== 'bytes') return;
      expect(parseQuantity(kind, quantityText(kind, first.bytes))).toEqual(first);
    }),
  );
});

test('no text at all is taken for a quantity by accident, or makes the parser fail', () => {
  fc.assert(
    fc.property(kinds, fc.string(), (kind, text) => {
      const read = parseQuantity(kind, text);
      if (read.is === 'bytes') expect(text).toMatch(/^[0-9]/);
      else expect(read.message).not.toBe('');
    }),
  );
});
