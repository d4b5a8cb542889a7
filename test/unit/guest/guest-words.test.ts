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
        .record({
          trust: fc.nat(5),
          held: fc.nat(2),
          message: fc.string({ maxLength: 500 }),
          identity: fc.oneof(fc.string({ maxLength: 340 }), fc.constant('iabc\0')),
        })
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

describe('what a guest says of its identity', () => {
  const started = { state: 'started', startedAt: 1000, agentReady: true };

  test.each([
    ['nothing', {}, {}],
    ['who it is', { identity: 'iabc\0' }, { identity: 'abc' }],
    ['that it stands still', { identity: 'iabc\0', held: 1 }, { identity: 'abc', held: true }],
    [
      'what it refused of it',
      { identity: 'iabc\0wcannot write\u001b[2J /etc\0' },
      { identity: 'abc', identityProblem: 'cannot write [2J /etc' },
    ],
    [
      'that it has none, and no network',
      { identity: 'wcannot change the MAC\0', held: 1 },
      { identityProblem: 'cannot change the MAC', held: true },
    ],
    [
      'all there is',
      {
        trust: 3,
        message: FINGERPRINT + 'x'.repeat(399),
        identity: `i${'a'.repeat(64)}\0w${'x'.repeat(255)}\0`,
      },
      {
        trust: { state: 'failed', fingerprint: FINGERPRINT, message: 'x'.repeat(399) },
        identity: 'a'.repeat(64),
        identityProblem: 'x'.repeat(255),
      },
    ],
  ])('%s', (_what, parts, told) => {
    expect(stateOf(stateBytes(1, parts))).toEqual({ ...started, ...told });
  });

  test.each([
    ['a hold that is none', { held: 2 }],
    ['an id in capitals', { identity: 'iABC\0' }],
    ['an id without an end', { identity: 'iabc' }],
    ['an id that is too long', { identity: `i${'a'.repeat(65)}\0` }],
    ['two ids', { identity: 'iabc\0iabd\0' }],
    ['the reason before the id', { identity: 'wno\0iabc\0' }],
    ['a record of another kind', { identity: 'xabc\0' }],
    ['more reason than there may be', { identity: `iabc\0w${'x'.repeat(256)}\0` }],
  ])('%s is no state', (_what, parts) => {
    expect(stateOf(stateBytes(1, parts))).toBeUndefined();
  });

  test('more than was sent is no state', () => {
    const bytes = stateBytes(1, { identity: 'iabc\0' });
    bytes.writeUInt16LE(bytes.length - 15, 6);
    expect(stateOf(bytes)).toBeUndefined();
  });
});
