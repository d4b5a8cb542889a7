import { expect, test } from 'vitest';
import { parseFields } from '../../../src/egress/control/fields.ts';
import { LONGEST_VALUE, parsePolicy, policyText } from '../../../src/egress/control/policy-text.ts';
import { LONGEST_LINE } from '../../../src/egress/control/words.ts';
import { fillPolicy } from '../../../src/egress/fill-policy.ts';
import type { Filled } from '../../../src/egress/fill-policy.ts';
import { instanceId, keyOf } from '../../../src/machine/ids.ts';
import type { GrantShape, PolicyShape } from '../../../src/machine/egress.ts';
import { Secret } from '../../../src/secrets/secret.ts';

const GRANT: GrantShape = {
  credential: 'openai',
  sourceEnv: 'OPENAI_KEY',
  hosts: ['api.openai.com'],
  header: 'authorization',
  format: 'Bearer ${value}',
  when: 'always',
  placeholder: 'mock-openai',
};

function shapeOf(...grants: readonly Partial<GrantShape>[]): PolicyShape {
  return {
    instance: instanceId('tz4a98xxat96iws9zmbrgj3a'),
    key: keyOf('default', 'web'),
    guest: '10.100.0.2',
    gateway: '10.100.0.1',
    mode: 'all',
    generation: 3,
    grants: grants.map((one) => ({ ...GRANT, ...one })),
  };
}

function filledWith(value: string, format = GRANT.format): Filled {
  return fillPolicy(shapeOf({ format }), { is: 'ready', values: { OPENAI_KEY: new Secret(value) } });
}

function valueIn(filled: Filled): string | undefined {
  return filled.is === 'ready' ? filled.policy.grants[0]?.value.reveal() : filled.reason;
}

test.each([
  ['sk-1', 'sk-1'],
  ['sk-1\n', 'sk-1'],
  ['sk-1\r\n', 'sk-1'],
  ['a$&b$1 `"{}', 'a$&b$1 `"{}'],
  ['tab\tand \u00fc', 'tab\tand \u00fc'],
])('row 43: the value %j is sent as %j', (value, sent) => {
  expect(valueIn(filledWith(value))).toBe(sent);
});

test.each([
  ['', 'KeyMissing'],
  [' \t', 'KeyMissing'],
  ['\n', 'KeyMissing'],
  ['canary\n\n', 'ValueInvalid'],
  ['canary\nX-Evil: 1', 'ValueInvalid'],
  ['canary\r', 'ValueInvalid'],
  ['canary\0', 'ValueInvalid'],
  ['canary\u007f', 'ValueInvalid'],
  ['canary\u20ac', 'ValueInvalid'],
  ['canary\u{1f600}', 'ValueInvalid'],
])('row 43: the value %j is refused as %s, by name and never quoted', (value, reason) => {
  const filled = filledWith(value);
  expect(filled).toMatchObject({
    is: 'missing',
    reason,
    message: expect.stringContaining('OPENAI_KEY') as string,
  });
  expect(JSON.stringify(filled)).not.toContain('canary');
});

test.each(['OPENAI_KEY', 'constructor', '__proto__'])(
  'a variable %s that nobody declared is missing',
  (name) => {
    expect(fillPolicy(shapeOf({ sourceEnv: name }), { is: 'ready', values: {} })).toMatchObject({
      reason: 'KeyMissing',
    });
  },
);

test('a variable of which it is known why it has no value is told so', () => {
  const lacking = { OPENAI_KEY: { reason: 'SecretNotFound', message: 'OPENAI_KEY went with its owner' } };
  expect(fillPolicy(shapeOf({}), { is: 'ready', values: {}, lacking })).toEqual({
    is: 'missing',
    reason: 'SecretNotFound',
    message: 'credential openai: OPENAI_KEY went with its owner',
  });
});

test.each([
  ['a value', 'x'.repeat(LONGEST_VALUE + 1), '${value}'],
  ['a format', 'x', `${'y'.repeat(LONGEST_VALUE)}\${value}`],
  ['a format with its value', 'x'.repeat(LONGEST_VALUE - 4), 'Bearer ${value}'],
  ['a value twice', 'x'.repeat(LONGEST_VALUE / 2 + 1), '${value}${value}'],
])('%s that is too long is told', (_what, value, format) => {
  expect(filledWith(value, format)).toMatchObject({ is: 'missing', reason: 'ValueInvalid' });
});

test('what is ready is read on the other side, at the very limit', () => {
  const filled = filledWith('\u00ff'.repeat(LONGEST_VALUE - 7));
  if (filled.is !== 'ready') throw new Error(filled.message);
  const read = parsePolicy(parseFields(JSON.stringify(policyText(filled.policy))));
  expect(read.grants[0]?.value.reveal()).toBe(filled.policy.grants[0]?.value.reveal());
});

test('all values together fit into one message, or it is told', () => {
  const grants = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ header: `x-${at}`, format: '${value}' }));
  const values = { OPENAI_KEY: new Secret('"'.repeat(LONGEST_VALUE)) };
  const fits = fillPolicy(shapeOf(...grants(16)), { is: 'ready', values });
  if (fits.is !== 'ready') throw new Error(fits.message);
  expect(Buffer.byteLength(JSON.stringify(policyText(fits.policy)))).toBeLessThan(LONGEST_LINE - 4096);
  expect(fillPolicy(shapeOf(...grants(17)), { is: 'ready', values })).toMatchObject({
    reason: 'ValueInvalid',
  });
});
