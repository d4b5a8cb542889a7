import { expect, test } from 'vitest';
import type { Policy } from '../../../../src/egress/policy.ts';
import { isStillGranted, outgoingFields, scrubbed } from '../../../../src/egress/proxy/outgoing.ts';
import type { Field } from '../../../../src/egress/proxy/outgoing.ts';
import { grantOf, policyOf } from '../../../support/egress-grants.ts';

const host = { is: 'name', name: 'api.test' } as const;

function sent(fields: Field[], policy: Policy, isTls = true): ReturnType<typeof outgoingFields> {
  return outgoingFields(fields, { policy, host, path: '/', isTls });
}

test('the guest’s own spelling of the header is kept, its values are not', () => {
  const { fields } = sent(
    [
      ['X-Api-KEY', 'a'],
      ['Accept', '*/*'],
    ],
    policyOf([grantOf({ header: 'x-api-key' })]),
  );
  expect(fields).toEqual([
    ['Accept', '*/*'],
    ['X-Api-KEY', 'Bearer real-value'],
  ]);
});

test('the fields of one hop stay on it, those that Connection names too', () => {
  const { fields } = sent(
    [
      ['Connection', 'close, X-Mine'],
      ['connection', 'Authorization'],
      ['x-mine', '1'],
      ['authorization', 'mine'],
      ['Proxy-Authorization', 'Basic x'],
      ['TE', 'gzip'],
      ['Upgrade', 'h2c'],
      ['X-Kept', '1'],
    ],
    policyOf([grantOf()]),
  );
  expect(fields).toEqual([
    ['X-Kept', '1'],
    ['authorization', 'Bearer real-value'],
  ]);
});

test.each(['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade'])(
  'row 44: a grant that would set %s is not used',
  (header) => {
    expect(() => sent([], policyOf([grantOf({ header })]))).toThrow(/does not fit/);
  },
);

test('row 43: the refusal of a value does not quote it', () => {
  const policy = policyOf([grantOf({ value: 'canary\r\nX: 1' })]);
  expect(() => sent([], policy)).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('canary') as string }),
  );
});

test('row 38: a placeholder in the path, in a header or in Basic is seen where no rule covers the host', () => {
  const policy = policyOf([
    grantOf(),
    grantOf({ credential: 'OTHER', hosts: ['x.test'], placeholder: 'mock-OTHER' }),
  ]);
  expect(sent([['authorization', 'mock-KEY']], policy).leaked).toEqual([]);
  expect(sent([['x', 'mock-KEY mock-OTHER']], policy).leaked).toEqual(['OTHER']);
  expect(sent([['x', `Basic ${btoa('u:mock-OTHER')}`]], policy).leaked).toEqual(['OTHER']);
  const inPath = (isTls: boolean, name: string) =>
    outgoingFields([], { policy, host, path: `/?k=${name}`, isTls }).leaked;
  expect(inPath(true, 'mock-OTHER')).toEqual(['OTHER']);
  expect(inPath(true, 'mock-KEY')).toEqual([]);
  expect(inPath(false, 'mock-KEY')).toEqual(['KEY']);
});

test('row 40: every occurrence of a value is taken out, values too short to be told are not', () => {
  const echo = { value: 'se$&cret', placeholder: 'mock' };
  expect(scrubbed([['a', 'x se$&cret se$&cret']], [echo])).toEqual([['a', 'x mock mock']]);
  expect(scrubbed([['content-length', '100']], [{ value: '1', placeholder: 'mock' }])).toEqual([
    ['content-length', '100'],
  ]);
});

test('row 47: what was used is still granted after a rotation, not after a narrowing', () => {
  const used = [grantOf()];
  expect(isStillGranted(policyOf([grantOf({ value: 'new', format: '${value}' })]), used, 'api.test')).toBe(
    true,
  );
  expect(isStillGranted(policyOf([grantOf({ hosts: ['*.test'] })]), used, 'api.test')).toBe(true);
  expect(isStillGranted(policyOf([grantOf({ hosts: ['b.test'] })]), used, 'api.test')).toBe(false);
  expect(isStillGranted(policyOf([grantOf({ credential: 'OTHER' })]), used, 'api.test')).toBe(false);
  expect(isStillGranted(policyOf([]), [], 'api.test')).toBe(true);
});
