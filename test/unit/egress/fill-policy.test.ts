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
  return filled.lack?.reason ?? filled.policy.grants[0]?.value?.reveal();
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
  expect(filled.lack).toMatchObject({
    reason,
    message: expect.stringContaining('OPENAI_KEY') as string,
  });
  expect(JSON.stringify(filled)).not.toContain('canary');
});

test.each(['OPENAI_KEY', 'constructor', '__proto__'])(
  'a variable %s that nobody declared is missing',
  (name) => {
    const { lack } = fillPolicy(shapeOf({ sourceEnv: name }), { is: 'ready', values: {} });
    expect(lack).toMatchObject({ reason: 'KeyMissing' });
  },
);

test('what is missing is left without a value, told once for each reason, and the others have theirs', () => {
  const shape = shapeOf({ sourceEnv: 'A' }, { sourceEnv: 'B' }, { sourceEnv: 'C' });
  const missing = { is: 'missing', reason: 'SecretNotFound', message: 'there is no Secret x' } as const;
  const { policy, lack } = fillPolicy(shape, { ...missing, values: { B: new Secret('b') } });
  expect(policy.grants.map(({ value }) => value?.reveal())).toEqual([undefined, 'b', undefined]);
  expect(lack).toEqual({ reason: 'SecretNotFound', message: 'there is no Secret x' });
  const all = fillPolicy(shape, { is: 'ready', values: { B: new Secret('b') } }).lack?.message;
  expect(all).toMatch(/^credential openai: A is missing.*; credential openai: C is missing/);
});

test('a variable of which it is known why it has no value is told so', () => {
  const lacking = { OPENAI_KEY: { reason: 'SecretNotFound', message: 'OPENAI_KEY went with its owner' } };
  expect(fillPolicy(shapeOf({}), { is: 'ready', values: {}, lacking }).lack).toEqual({
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
  expect(filledWith(value, format).lack).toMatchObject({ reason: 'ValueInvalid' });
});

test('what is ready is read on the other side, at the very limit', () => {
  const filled = filledWith('\u00ff'.repeat(LONGEST_VALUE - 7));
  const read = parsePolicy(parseFields(JSON.stringify(policyText(filled.policy))));
  expect(read.grants[0]?.value?.reveal().length).toBe(LONGEST_VALUE - 7);
});

test('all values together fit into one message, or it is told', () => {
  const grants = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ header: `x-${at}`, format: '${value}' }));
  const values = { OPENAI_KEY: new Secret('"'.repeat(LONGEST_VALUE)) };
  const fits = fillPolicy(shapeOf(...grants(16)), { is: 'ready', values });
  expect(fits.lack).toBeUndefined();
  expect(Buffer.byteLength(JSON.stringify(policyText(fits.policy)))).toBeLessThan(LONGEST_LINE - 4096);
  const { lack, policy } = fillPolicy(shapeOf(...grants(17)), { is: 'ready', values });
  expect(lack).toMatchObject({ reason: 'ValueInvalid' });
  expect(Buffer.byteLength(JSON.stringify(policyText(policy)))).toBeLessThan(LONGEST_LINE - 4096);
});

test('a Secret of a megabyte that hundreds of rules need holds nobody up', () => {
  const grants = Array.from({ length: 512 }, (_, at) => ({ header: `x-${at}`, format: '${value}' }));
  const values = { OPENAI_KEY: new Secret('\n'.repeat(1_000_000)) };
  const start = performance.now();
  expect(fillPolicy(shapeOf(...grants), { is: 'ready', values }).lack?.reason).toBe('ValueInvalid');
  expect(performance.now() - start).toBeLessThan(500);
});
