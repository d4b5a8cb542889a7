import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lines } from '../../../../src/egress/control/lines.ts';

test('lines are the same however the bytes are cut', () => {
  const line = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\n', ''));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(7), { minLength: 1 }), (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
      const lines = new Lines(1000);
      const heard: string[] = [];
      for (let at = 0, n = 0; at < bytes.length; n += 1) {
        const end = at + 1 + (cuts[n % cuts.length] ?? 0);
        const more = lines.push(bytes.subarray(at, end));
        if (more === 'too-long') throw new Error('too long');
        heard.push(...more);
        at = end;
      }
      expect(heard).toEqual(texts.map((text) => Buffer.from(text).toString()));
    }),
  );
});

test('a line may be as long as allowed and no byte longer', () => {
  expect(new Lines(4).push(Buffer.from('abcd\n'))).toEqual(['abcd']);
  expect(new Lines(4).push(Buffer.from('abcde\n'))).toBe('too-long');
});

test('a line without an end is given up when it is too long, in one piece or in many', () => {
  expect(new Lines(4).push(Buffer.from('abcde'))).toBe('too-long');
  const lines = new Lines(4);
  expect(lines.push(Buffer.from('abcd'))).toEqual([]);
  expect(lines.push(Buffer.from('e'))).toBe('too-long');
});
