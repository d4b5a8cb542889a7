import { expect, test } from 'vitest';
import type { Policy } from '../../../src/egress/policy.ts';
import { revisionOf } from '../../../src/egress/revision.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { aGrant, aPolicy } from '../../support/egress-policies.ts';

const before = revisionOf(aPolicy(), 'salt');

test.each<[string, Partial<Policy>]>([
  ['a value', { grants: [aGrant({ value: new Secret('another') })] }],
  ['a host', { grants: [aGrant({ hosts: ['other.example.com'] })] }],
  ['a header', { grants: [aGrant({ header: 'x-api-key' })] }],
  ['a format', { grants: [aGrant({ format: 'Token ${value}' })] }],
  ['when it is injected', { grants: [aGrant({ when: 'placeholder' })] }],
  ['the mode', { mode: 'http_https_only' }],
  ['the gateway', { gateway: '127.0.0.2' }],
])('another revision follows a change of %s', (_, change) => {
  expect(revisionOf(aPolicy(change), 'salt')).not.toBe(before);
});

test('an edit elsewhere in the declaration is no other revision', () => {
  expect(revisionOf(aPolicy({ generation: 9 }), 'salt')).toBe(before);
});

test('equal policies of two instances cannot be told to be equal', () => {
  expect(revisionOf(aPolicy(), 'other salt')).not.toBe(before);
});
