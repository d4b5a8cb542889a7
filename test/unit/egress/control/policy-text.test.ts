import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFields } from '../../../../src/egress/control/fields.ts';
import { parsePolicy, policyText } from '../../../../src/egress/control/policy-text.ts';
import { parseRequest } from '../../../../src/egress/control/words.ts';
import { HypemanError } from '../../../../src/errors.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import { aGrant, aPolicy } from '../../../support/egress-policies.ts';

const CANARY = 'canary-5f2b';

function refusal(work: () => unknown): HypemanError {
  try {
    work();
  } catch (error) {
    if (error instanceof HypemanError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

/** A policy as it goes over the wire, with one grant changed. */
function withGrant(over: object): unknown {
  return { ...policyText(aPolicy()), grants: [{ ...aGrant(), value: CANARY, ...over }] };
}

test('a policy arrives as it was sent, values included', () => {
  const policy = aPolicy({ grants: [aGrant({ value: new Secret(`a$&b${CANARY}`) })] });
  const arrived = parsePolicy(JSON.parse(JSON.stringify(policyText(policy))));
  expect({ ...arrived, grants: [] }).toEqual({ ...policy, grants: [] });
  expect(arrived.grants[0]?.value?.reveal()).toBe(`a$&b${CANARY}`);
});

test('a policy that arrived cannot be printed', () => {
  expect(JSON.stringify(parsePolicy(withGrant({})))).not.toContain(CANARY);
});

test.each([
  ['header', 'Authorization'],
  ['header', 'host'],
  ['header', 'content-length'],
  ['header', 'transfer-encoding'],
  ['header', 'connection'],
  ['header', ':path'],
  ['header', 'a b'],
  ['header', ''],
  ['format', 'Bearer'],
  ['format', 'Bearer ${value}\r\nx: y'],
  ['value', `${CANARY}\r\nx: y`],
  ['value', `${CANARY}\n`],
  ['value', `${CANARY}\0`],
  ['value', `${CANARY}\u0100`],
  ['value', ''],
  ['value', { [CANARY]: 1 }],
  ['hosts', CANARY],
  ['hosts', [1]],
  ['hosts', ['']],
  ['when', 'never'],
  ['placeholder', 1],
  ['credential', null],
])('a grant whose %s is %j is refused without a word of its value', (name, value) => {
  const error = refusal(() => parsePolicy(withGrant({ [name]: value })));
  expect(error.reason).toBe('BadMessage');
  expect(`${error.message}${error.stack ?? ''}${JSON.stringify(error)}`).not.toContain(CANARY);
});

test.each([
  ['instance', '../../etc'],
  ['instance', ''],
  ['instance', 'a/b'],
  ['instance', '.'],
  ['instance', 'x'.repeat(65)],
  ['guest', 'localhost'],
  ['guest', '10.0.0.256'],
  ['gateway', ''],
  ['mode', 'none'],
  ['generation', -1],
  ['generation', 1.5],
  ['generation', '1'],
  ['grants', {}],
  ['grants', [null]],
  ['grants', new Array(2000).fill(aGrant())],
])('a policy whose %s is %j is refused', (name, value) => {
  expect(refusal(() => parsePolicy({ ...policyText(aPolicy()), [name]: value })).reason).toBe('BadMessage');
});

test('text that is no JSON is refused without quoting it', () => {
  const error = refusal(() => parseFields(`{"value": "${CANARY}" oops`));
  expect(`${error.message}${String(error.cause)}`).not.toContain(CANARY);
});

test('no JSON at all makes the reader fail in any other way', () => {
  const request = fc.record(
    {
      ask: fc.oneof(fc.constantFrom('ping', 'put-policy', 'remove-policy', 'list', 'counters'), fc.string()),
      policy: fc.oneof(fc.jsonValue(), fc.constant(withGrant({}))),
      instance: fc.jsonValue(),
      revision: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(request, fc.jsonValue()), (value) => {
      try {
        parseRequest(parseFields(JSON.stringify(value)));
      } catch (error) {
        expect(error).toMatchObject({ name: 'HypemanError', reason: 'BadMessage' });
      }
    }),
    { numRuns: 2000 },
  );
});
