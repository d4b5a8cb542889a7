import { expect, test } from 'vitest';
import { openAuditTrail } from '../../../src/egress/audit-trail.ts';
import type { Decision } from '../../../src/egress/audit.ts';

function decision(over: Partial<Decision> = {}): Decision {
  return {
    at: 1000,
    instance: 'a',
    key: 'default/a',
    host: 'api.example.com',
    way: 'tls',
    verdict: 'injected',
    reason: 'Granted',
    credentials: ['KEY'],
    ...over,
  };
}

const ROSTER = new Map([['KEY', ['api.example.com']]]);

test('a rule that never matched is seen: nothing injected, though there are verdicts', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a', new Map([...ROSTER, ['OTHER', []]]));
  trail.decided(decision());
  expect(trail.counters('a')[0]).toMatchObject({
    verdicts: { injected: 1 },
    credentials: { OTHER: { hosts: [], injected: 0, leaks: 0, refusals: {} } },
  });
});

test('a leak is counted for its credential, with the last host, and not as a second request', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a', ROSTER);
  const leak = decision({ verdict: 'forwarded', reason: 'PlaceholderLeak' });
  for (const host of ['one.example', 'two.example']) {
    trail.decided({ ...leak, host });
    trail.decided(decision({ host, verdict: 'forwarded', reason: 'NoGrant', credentials: [] }));
  }
  expect(trail.counters('a')[0]).toMatchObject({
    verdicts: { forwarded: 2 },
    credentials: { KEY: { injected: 0, leaks: 2, lastLeakHost: 'two.example' } },
  });
});

test('a new policy keeps what was counted for credentials that stay, and drops the others', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a', new Map([...ROSTER, ['GONE', []]]));
  trail.decided(decision());
  trail.open('a', 'default/a', new Map([['KEY', ['other.example.com']]]));
  expect(trail.counters('a')[0]?.credentials).toEqual({
    KEY: { hosts: ['other.example.com'], injected: 1, lastUsed: 1000, leaks: 0, refusals: {} },
  });
});

test('answers of DNS are counted', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a');
  trail.resolved('a');
  trail.resolved('nobody');
  expect(trail.counters()).toMatchObject([{ instance: 'a', resolved: 1 }]);
});

test('a credential is counted when it is used, and when it was refused', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a', ROSTER);
  trail.decided(decision());
  trail.decided(decision({ at: 2000 }));
  trail.decided(decision({ at: 3000, verdict: 'refused', reason: 'HostMismatch' }));
  trail.decided(decision({ at: 4000, verdict: 'spliced', reason: 'NoRule', credentials: [] }));
  expect(trail.counters('a')).toEqual([
    {
      instance: 'a',
      key: 'default/a',
      resolved: 0,
      verdicts: { injected: 2, refused: 1, spliced: 1 },
      refusals: { HostMismatch: 1 },
      credentials: {
        KEY: {
          hosts: ['api.example.com'],
          injected: 2,
          lastUsed: 2000,
          leaks: 0,
          refusals: { HostMismatch: 1 },
        },
      },
    },
  ]);
});

test('a credential that was only refused has no last use', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a', ROSTER);
  trail.decided(decision({ verdict: 'failed', reason: 'UpstreamCertificate' }));
  expect(trail.counters('a')[0]?.credentials.KEY).toEqual({
    ...{ hosts: ['api.example.com'], injected: 0, leaks: 0 },
    refusals: { UpstreamCertificate: 1 },
  });
});

test('the last decisions are kept in order, the older ones forgotten, the counters not', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a');
  for (let at = 0; at < 300; at += 1) trail.decided(decision({ at }));
  expect(trail.recent('a').map((one) => one.at)).toEqual(Array.from({ length: 128 }, (_, n) => n + 172));
  expect(trail.counters('a')[0]?.verdicts).toEqual({ injected: 300 });
});

test('counters survive a new policy, but not another instance in the same place', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a');
  trail.decided(decision());
  trail.open('a', 'default/a');
  expect(trail.recent('a')).toHaveLength(1);
  trail.open('a', 'default/other');
  expect(trail.recent('a')).toEqual([]);
});

test('nothing is kept of an instance that is not known or was forgotten', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a');
  trail.forget('a');
  trail.decided(decision());
  expect(trail.recent()).toEqual([]);
  expect(trail.counters()).toEqual([]);
});

test('a follower hears what comes until it stops', () => {
  const trail = openAuditTrail();
  const heard: number[] = [];
  trail.decided(decision({ at: 1 }));
  const stop = trail.follow((one) => heard.push(one.at));
  trail.decided(decision({ at: 2 }));
  stop();
  trail.decided(decision({ at: 3 }));
  expect(heard).toEqual([2]);
});

test('a host that a guest made up cannot write on a terminal, nor fill memory', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a');
  trail.decided(decision({ host: '\u001b[2Jevil\n.com' }));
  trail.decided(decision({ host: 'x'.repeat(100_000) }));
  const [first, second] = trail.recent('a');
  expect(first?.host).toBe('?[2Jevil?.com');
  expect(second?.host).toHaveLength(253);
});

test('made-up names do not grow the counters without bound', () => {
  const trail = openAuditTrail();
  trail.open('a', 'default/a');
  for (let n = 0; n < 2000; n += 1)
    trail.decided(decision({ verdict: 'refused', reason: `R${n}`, credentials: [`C${n}`] }));
  const [counters] = trail.counters('a');
  expect(Object.keys(counters?.refusals ?? {})).toHaveLength(256);
  expect(Object.keys(counters?.credentials ?? {})).toHaveLength(256);
});
