import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Injection } from '../../../src/api/instance.ts';
import type { InstanceEvent } from '../../../src/api/reported.ts';
import { REQUESTS_BEFORE_DOUBT, openEgressWarnings } from '../../../src/egress-warnings.ts';
import { openLog } from '../../../src/log.ts';
import type { Declared } from '../../../src/sources/source.ts';
import { eventually } from '../../support/controller-process.ts';
import { scriptedEgress } from '../../support/scripted-egress.ts';
import type { ScriptedEgress } from '../../support/scripted-egress.ts';

const rule = (host: string): Injection => ({
  hosts: [host],
  header: 'Authorization',
  format: '${value}',
  when: 'always',
});

let proxy: ScriptedEgress;
let told: (InstanceEvent & { readonly key: string })[];
let declared: { generation: number; startedAt: string; rules: readonly Injection[] };
let warnings: { close(): Promise<void> };
beforeEach(async () => {
  proxy = scriptedEgress({ idweb: 'default/web' });
  told = [];
  declared = { generation: 1, startedAt: 'one', rules: [rule('api.example.com')] };
  await open();
});
afterEach(() => warnings.close());

async function open(): Promise<void> {
  warnings = openEgressWarnings({
    egress: proxy.egress,
    source: {
      // Only what is read of an Instance here.
      declared: () =>
        ({
          is: 'wanted',
          generation: declared.generation,
          instance: { spec: { credentials: { openai: { sourceEnv: 'KEY', inject: declared.rules } } } },
        }) as unknown as Declared,
      lastStatus: () => ({ observedGeneration: 1, conditions: [], startedAt: declared.startedAt }),
    },
    tell: (key, events) => {
      told.push(...events.map((event) => ({ key, ...event })));
      return Promise.resolve();
    },
    log: openLog('silent'),
    now: () => 7,
    retryMs: 1,
  });
  await eventually(
    'a follower',
    () => Promise.resolve(proxy.followers()),
    (count) => count > 0,
    5000,
  );
}

function requests(count: number, host = 'other.example.com'): void {
  for (let at = 0; at < count; at += 1)
    proxy.decide({ host, verdict: 'spliced', reason: 'NoGrant', credentials: [] });
}

/** What was told once everything before was heard: the last decision is one that is told itself. */
async function reasons(): Promise<readonly string[]> {
  const last = `last${told.length}-${Math.random()}.example.com`;
  proxy.decide({ host: last, verdict: 'forwarded', reason: 'PlaceholderLeak' });
  await eventually(
    'the last decision',
    () => Promise.resolve(told),
    (seen) => seen.some(({ message }) => message.includes(last)),
    5000,
  );
  return told.filter(({ message }) => !message.includes('went to last')).map(({ reason }) => reason);
}

test('a placeholder that goes where no rule is, is told once for each host', async () => {
  for (const host of ['evil.example.net', 'evil.example.net', 'more.example.net'])
    proxy.decide({ host, verdict: 'forwarded', reason: 'PlaceholderLeak' });
  expect(await reasons()).toEqual(['PlaceholderLeak', 'PlaceholderLeak']);
  expect(told[0]).toMatchObject({ key: 'default/web', type: 'Warning', at: 7 });
  expect(told[0]?.message).toMatch(/credential openai went to evil\.example\.net/);
});

test('a guest that leaks to ever new hosts is not told of for ever', async () => {
  for (let at = 0; at < 200; at += 1)
    proxy.decide({ host: `h${at}.example.net`, verdict: 'forwarded', reason: 'PlaceholderLeak' });
  await eventually(
    'the end of the leaks',
    () => Promise.resolve(told),
    (seen) => seen.length >= 32,
    5000,
  );
  requests(REQUESTS_BEFORE_DOUBT);
  await eventually(
    'what comes behind them',
    () => Promise.resolve(told.at(-1)?.reason),
    (reason) => reason === 'RuleNeverMatched',
    5000,
  );
  expect(told).toHaveLength(33);
});

test('a rule that no request met is told once, and again for the next generation', async () => {
  requests(REQUESTS_BEFORE_DOUBT - 1);
  expect(await reasons()).toEqual([]);
  requests(50);
  expect(await reasons()).toEqual(['RuleNeverMatched']);
  declared = { ...declared, generation: 2 };
  requests(REQUESTS_BEFORE_DOUBT + 1);
  expect(await reasons()).toEqual(['RuleNeverMatched', 'RuleNeverMatched']);
});

test('of two rules the one that was used is not complained about', async () => {
  declared = { ...declared, rules: [rule('api.example.com'), rule('*.typo.example')] };
  proxy.decide({ host: 'api.example.com' });
  requests(30);
  expect(await reasons()).toEqual(['RuleNeverMatched']);
  expect(told.find(({ reason }) => reason === 'RuleNeverMatched')?.message).toContain('*.typo.example');
});

test('a use that nobody listened to counts: what is not known is not said', async () => {
  await warnings.close();
  for (let at = 0; at < 200; at += 1) proxy.decide({ host: 'api.example.com' });
  requests(128);
  await open();
  requests(30);
  expect(await reasons()).toEqual([]);
});

test('what was used before a new start of the guest is not called unused', async () => {
  proxy.decide({ host: 'api.example.com' });
  requests(30);
  expect(await reasons()).toEqual([]);
  declared = { ...declared, startedAt: 'two' };
  requests(30);
  expect(await reasons()).toEqual([]);
});

test('the next process of the proxy is followed too', async () => {
  proxy.restart();
  await eventually(
    'a follower',
    () => Promise.resolve(proxy.followers()),
    (count) => count > 0,
    5000,
  );
  expect(await reasons()).toEqual([]);
});
