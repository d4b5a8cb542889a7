import { expect, test } from 'vitest';
import { credentialProblems } from '../../../src/api/credential-rules.ts';
import { pathText } from '../../../src/api/problem.ts';

function clashes(...hosts: readonly (readonly string[] | undefined)[]): readonly string[] {
  const inject = hosts.map((some) => ({
    ...(some === undefined ? {} : { hosts: some }),
    as: { header: 'X-Key', format: '${value}' },
  }));
  const spec = {
    env: { KEY: 'x' },
    network: { egress: { enabled: true } },
    credentials: { KEY: { source: { env: 'KEY' }, inject } },
  };
  return credentialProblems(spec).map(({ pointer }) => pathText(pointer));
}

const SECOND = 'spec.credentials.KEY.inject[1]';

test.each<[string, readonly string[] | undefined, readonly string[] | undefined]>([
  ['the same name', ['a.example.com'], ['b.example.com', 'A.example.com.']],
  ['a name and the wildcard over it', ['a.example.com'], ['*.example.com']],
  ['a wildcard and a name under it', ['*.example.com'], ['a.example.com']],
  ['the same wildcard', ['*.example.com'], ['*.example.com']],
  ['an address in two spellings', ['2001:db8::1'], ['2001:DB8:0::1']],
  ['everything and a name', undefined, ['a.example.com']],
  ['a name and everything', ['a.example.com'], []],
  ['everything twice', [], undefined],
])('one header for %s is refused', (_, one, other) => {
  expect(clashes(one, other)).toEqual([SECOND]);
});

test.each<[string, readonly string[], readonly string[]]>([
  ['two names', ['a.example.com'], ['b.example.com']],
  ['a wildcard and the domain itself', ['*.example.com'], ['example.com']],
  ['a wildcard and a name two levels down', ['*.example.com'], ['a.b.example.com']],
  ['wildcards of two levels', ['*.example.com'], ['*.a.example.com']],
])('one header for %s is allowed', (_, one, other) => {
  expect(clashes(one, other)).toEqual([]);
});

test('a name and its wildcard within one rule are no clash', () => {
  expect(clashes(['api.openai.com', '*.openai.com'])).toEqual([]);
});

test('headers that differ in letter case only are one header', () => {
  const rule = (header: string): unknown => ({
    hosts: ['a.example.com'],
    as: { header, format: '${value}' },
  });
  const spec = {
    env: { KEY: 'x' },
    network: { egress: { enabled: true } },
    credentials: { KEY: { source: { env: 'KEY' }, inject: [rule('X-Key'), rule('x-key')] } },
  };
  expect(credentialProblems(spec)).toHaveLength(1);
});
