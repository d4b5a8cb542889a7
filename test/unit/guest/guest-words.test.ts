import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { guestStateFrom } from '../../../src/guest/guest-words.ts';
import { stateBytes } from '../../support/hostile-guest.ts';

const FINGERPRINT = '0123456789abcdef'.repeat(4);
const stateOf = (bytes: Buffer) => guestStateFrom(bytes, 1000, { state: 'silent' });

describe('what a guest says of the CA that it was given', () => {
  test.each([
    ['an init of before', { trust: 0 }, undefined],
    ['nobody gave it one', { trust: 1 }, { state: 'none' }],
    ['installed', { trust: 2, message: FINGERPRINT }, { state: 'installed', fingerprint: FINGERPRINT }],
    [
      'failed, and why',
      { trust: 3, message: `${FINGERPRINT}cannot write /etc\u001b[2J` },
      { state: 'failed', fingerprint: FINGERPRINT, message: 'cannot write /etc [2J' },
    ],
    ['failed without a word', { trust: 3, message: FINGERPRINT }, { state: 'failed', message: '' }],
  ])('%s', (_what, parts, trust) => {
    const told = stateOf(stateBytes(1, parts));
    expect(told).toMatchObject({ state: 'started', ...(trust === undefined ? {} : { trust }) });
    expect(told !== undefined && 'trust' in told).toBe(trust !== undefined);
  });

  test.each([
    ['a word that is none', { trust: 4, message: FINGERPRINT }],
    ['no fingerprint', { trust: 2 }],
    ['a fingerprint that is cut', { trust: 2, message: FINGERPRINT.slice(1) }],
    ['a fingerprint and more', { trust: 2, message: `${FINGERPRINT}0` }],
    ['a fingerprint in capitals', { trust: 3, message: FINGERPRINT.toUpperCase() }],
    ['none, and yet words', { trust: 1, message: 'x' }],
    ['more than there may be', { trust: 3, message: FINGERPRINT + 'x'.repeat(449) }],
  ])('%s is no state', (_what, parts) => {
    expect(stateOf(stateBytes(1, parts))).toBeUndefined();
  });

  test('any bytes at all are a state or none', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc
        .record({ trust: fc.nat(5), message: fc.string({ maxLength: 500 }) })
        .map((parts) => stateBytes(1, parts)),
    );
    fc.assert(
      fc.property(bytes, (any) => {
        const told = stateOf(Buffer.from(any));
        expect(told === undefined || ['booting', 'started', 'exited'].includes(told.state)).toBe(true);
      }),
    );
  });
});
