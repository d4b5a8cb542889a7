import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readHost } from '../../../src/egress/proxy/host-name.ts';
import { grantsFor, isIntercepted, matchesHost } from '../../../src/egress/proxy/matching.ts';
import { grantOf, policyOf } from '../../support/egress-grants.ts';

/** The rule said another way, with regular expressions: one label in the place of the star. */
function oracle(pattern: string, host: string): boolean {
  const text = pattern.replaceAll('.', '\\.').replace(/^\*/, '[a-z0-9_-]+');
  return new RegExp(`^${text}$`).test(host);
}

// Few labels, so that hosts and patterns meet often; look-alikes of each other.
const label = fc.constantFrom('api', 'evilapi', 'a', 'b', 'openai', 'evilopenai', 'com', 'x-1');
const name = fc.array(label, { minLength: 2, maxLength: 5 }).map((labels) => labels.join('.'));
const pattern = fc.oneof(
  name,
  name.map((rest) => `*.${rest}`),
);

test('row 32: a pattern names what the independent rule says it names', () => {
  fc.assert(
    fc.property(pattern, name, (one, host) => {
      expect(matchesHost(one, host)).toBe(oracle(one, host));
    }),
    { numRuns: 3000 },
  );
});

test('row 32: letter case and the final dot make no other host', () => {
  fc.assert(
    fc.property(name, fc.array(fc.nat({ max: 60 })), (host, upper) => {
      const letters = host
        .split('')
        .map((letter, at) => (upper.includes(at) ? letter.toUpperCase() : letter));
      const shouted = letters.join('');
      expect(readHost(shouted)).toEqual({ is: 'name', name: host });
      expect(readHost(`${shouted}.`)).toEqual({ is: 'name', name: host });
    }),
  );
});

test.each([
  ['*.openai.com', 'api.openai.com', true],
  ['*.openai.com', 'openai.com', false],
  ['*.openai.com', 'a.b.openai.com', false],
  ['*.openai.com', 'evilopenai.com', false],
  ['*.openai.com', 'api.openai.com.evil.com', false],
  ['*.openai.com', '.openai.com', false],
  ['*.2.3.4', '1.2.3.4', false],
  ['1.2.3.4', '1.2.3.4', true],
  ['2606:4700::1', '2606:4700::1', true],
])('row 32: %s and %s', (one, host, expected) => {
  expect(matchesHost(one, host)).toBe(expected);
});

test('what reads as a host is LDH ASCII or an address, and reading it again changes nothing', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.domain(), fc.ipV4(), fc.ipV6()),
      (text) => {
        const host = readHost(text);
        if (host === undefined) return;
        expect(host.name).toMatch(host.is === 'name' ? /^[a-z0-9._-]+$/ : /^[0-9a-f.:]+$/);
        expect(readHost(host.name)).toEqual(host);
      },
    ),
    { numRuns: 3000 },
  );
});

test('a host is intercepted exactly when a grant is found for it, and no header is set twice', () => {
  const grant = fc
    .record({ hosts: fc.array(pattern, { maxLength: 3 }), header: fc.constantFrom('a', 'b') })
    .map(grantOf);
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 5 }), name, (grants, host) => {
      const policy = policyOf(grants);
      const found = grantsFor(policy, host);
      expect(isIntercepted(policy, host)).toBe(found.length > 0);
      expect(new Set(found.map((one) => one.header)).size).toBe(found.length);
      for (const one of found)
        expect(one.hosts.length === 0 || one.hosts.some((p) => oracle(p, host))).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
