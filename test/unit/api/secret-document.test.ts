import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { problemText } from '../../../src/api/problem.ts';
import { parseSecret } from '../../../src/api/secret-document.ts';

function secret(more: Record<string, unknown>): Record<string, unknown> {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'app.v1' }, ...more };
}

function problemsOf(document: unknown): readonly string[] {
  const parsed = parseSecret(document);
  return parsed.is === 'bad' ? parsed.problems.map(problemText) : [];
}

test('data is decoded and stringData wins over it', () => {
  const parsed = parseSecret(
    secret({
      type: 'Opaque',
      data: { A: Buffer.from('one').toString('base64'), B: 'dHdv\n', EMPTY: '' },
      stringData: { A: 'other' },
    }),
  );
  expect(parsed).toMatchObject({
    is: 'good',
    secret: { namespace: 'default', name: 'app.v1' },
    warnings: [],
  });
  const values = parsed.is === 'good' ? parsed.secret.values : {};
  expect(Object.entries(values).map(([key, value]) => [key, value.reveal()])).toEqual([
    ['A', 'other'],
    ['B', 'two'],
    ['EMPTY', ''],
  ]);
  expect(inspect(parsed, { depth: 9 })).not.toContain('other');
});

test.each<[string, Record<string, unknown>, RegExp]>([
  ['plain text under data', { data: { A: 'hunter2!' } }, /^data\.A: is not base64: .*stringData$/],
  ['base64 without its padding', { data: { A: 'b25l' + 'YQ' } }, /^data\.A: is not base64/],
  ['bytes that are no text', { data: { A: '/w==' } }, /^data\.A: is not UTF-8 text/],
  ['a number', { stringData: { A: 5 } }, /^stringData\.A: must be text: quote/],
  ['a key nobody could use', { stringData: { 'A B': 'x' } }, /^stringData\["A B"\]: a key must be/],
  ['a list', { data: [] }, /^data: must be a mapping/],
  [
    'a field nobody knows',
    { strngData: { A: 'hunter2' } },
    /^strngData: unknown field strngData: did you mean stringData/,
  ],
  ['no name', { metadata: {} }, /^metadata\.name: name is missing/],
  ['another kind', { kind: 'ConfigMap' }, /^kind: this is no Secret/],
])('%s is explained, and no value is repeated', (_, more, message) => {
  const said = problemsOf(secret(more));
  expect(said).toEqual([expect.stringMatching(message)]);
  expect(said.join()).not.toContain('hunter2');
});

test('a value that was encoded with its line break is pointed out', () => {
  const parsed = parseSecret(secret({ data: { A: Buffer.from('key\n').toString('base64') } }));
  expect(parsed.is === 'good' && parsed.warnings.map(problemText)).toEqual([
    expect.stringMatching(/^data\.A: .*line break/),
  ]);
});
