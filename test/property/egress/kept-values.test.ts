import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lackingIn, withKeptValues } from '../../../src/egress/kept-values.ts';
import type { Grant, Policy } from '../../../src/egress/policy.ts';
import { grantCovers, grantsFor } from '../../../src/egress/proxy/matching.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { grantOf, policyOf } from '../../support/egress-grants.ts';

const HOSTS = ['a.x.test', 'b.x.test', 'a.b.x.test', 'x.test', 'other.test', '192.0.2.1'];
const patterns = fc.subarray(['a.x.test', '*.x.test', 'b.x.test', 'other.test', '192.0.2.1', '*.b.x.test']);

const anyGrant = fc
  .record({
    credential: fc.constantFrom('ONE', 'TWO'),
    sourceEnv: fc.constantFrom('A', 'B'),
    hosts: patterns,
    header: fc.constantFrom('x-a', 'x-b'),
    isThere: fc.boolean(),
  })
  .map(({ isThere, ...rest }): Grant => (isThere ? grantOf(rest) : without(grantOf(rest))));

/** One source and one value for each credential, as a declaration has it. */
const anyPolicy = fc.array(anyGrant, { maxLength: 4 }).map((grants): Policy => {
  const first = new Map<string, Grant>();
  for (const one of grants) first.set(one.credential, first.get(one.credential) ?? one);
  return policyOf(
    grants.map((one) => {
      const { sourceEnv, value } = first.get(one.credential) ?? one;
      return { ...without(one), sourceEnv, ...(value === undefined ? {} : { value }) };
    }),
  );
});

function without({ credential, sourceEnv, hosts, header, format, when, placeholder }: Grant): Grant {
  return { credential, sourceEnv, hosts, header, format, when, placeholder };
}

/** Whether the value of `one` may go to `host`, in its header, by this policy. */
function allows({ grants }: Policy, { credential, sourceEnv, header }: Grant, host: string): boolean {
  return grants.some(
    (grant) =>
      grant.credential === credential &&
      grant.sourceEnv === sourceEnv &&
      grant.header === header &&
      grant.value !== undefined &&
      grantCovers(grant, host),
  );
}

function isOld(value: Secret | undefined): boolean {
  return value?.reveal() === 'old';
}

function aged(policy: Policy): Policy {
  const grants = policy.grants.map((one) =>
    one.value === undefined ? one : { ...one, value: new Secret('old') },
  );
  return { ...policy, grants };
}

test('a value of before goes only where it is declared and where it went before; what is given is as given', () => {
  fc.assert(
    fc.property(anyPolicy, anyPolicy, fc.constantFrom(...HOSTS), (first, next, host) => {
      const before = aged(first);
      const after = withKeptValues(next, before);
      // The same credentials in the same headers as declared, with a value or refused.
      const names = (policy: Policy): readonly string[] =>
        grantsFor(policy, host)
          .map(({ credential, header }) => `${credential} ${header}`)
          .sort();
      // Two rules of one rank for one header are refused by the API.
      const ambiguous = next.grants.some((one) =>
        next.grants.some((two) => one !== two && one.header === two.header),
      );
      if (!ambiguous) expect(names(after)).toEqual(names(next));
      for (const grant of after.grants.filter((one) => grantCovers(one, host))) {
        const declared = next.grants.find(({ credential }) => credential === grant.credential);
        if (isOld(grant.value)) expect(allows(before, grant, host)).toBe(true);
        else if (grant.value === undefined && !ambiguous && grantsFor(after, host).includes(grant))
          expect(allows(before, grant, host)).toBe(false);
        if (declared?.value !== undefined) expect(isOld(grant.value)).toBe(false);
      }
      const lacking = after.grants.filter(({ value }) => value === undefined);
      expect([...lackingIn(after)].sort()).toEqual(
        [...new Set(lacking.map(({ credential }) => credential))].sort(),
      );
    }),
    { numRuns: 5_000 },
  );
});

test('as many hosts as anybody can declare are gone through in no time', () => {
  const rules = (value: boolean, hostOf: (at: number) => string): Policy =>
    policyOf(
      Array.from({ length: 16 }, (_, rule) => {
        const hosts = Array.from({ length: 64 }, (__, at) => hostOf(rule * 64 + at));
        return Array.from({ length: 32 }, (__, at) => {
          const one = grantOf({ credential: `C${at}`, hosts });
          return value ? one : without(one);
        });
      }).flat(),
    );
  const before = rules(true, (at) => `*.a${at}.x.test`);
  const next = rules(false, (at) => `b${at}.x.test`);
  const start = performance.now();
  withKeptValues(next, before);
  expect(performance.now() - start).toBeLessThan(500);
});

test('again, and in another process with the same before, it is the same', () => {
  fc.assert(
    fc.property(anyPolicy, anyPolicy, (first, next) => {
      const once = withKeptValues(next, aged(first));
      expect(meaningOf(withKeptValues(next, once))).toEqual(meaningOf(once));
      expect(meaningOf(withKeptValues(once, aged(first)))).toEqual(meaningOf(once));
    }),
    { numRuns: 5_000 },
  );
});

/** What each host may be sent, however the rules are written. */
function meaningOf({ grants }: Policy): readonly (readonly string[])[] {
  return HOSTS.map((host) => [
    ...new Set(
      grants
        .filter((grant) => grantCovers(grant, host))
        .map(({ credential, header, value }) => `${credential} ${header} ${value?.reveal() ?? 'refused'}`)
        .sort(),
    ),
  ]);
}
