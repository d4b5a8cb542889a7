import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAuditTrail } from '../../../../src/egress/audit-trail.ts';
import type { AuditTrail } from '../../../../src/egress/audit-trail.ts';
import type { Decision } from '../../../../src/egress/audit.ts';
import { openAuthority } from '../../../../src/egress/authority/open-authority.ts';
import { connectControl } from '../../../../src/egress/control/client.ts';
import { followDecisions } from '../../../../src/egress/control/following.ts';
import { openControl } from '../../../../src/egress/control/server.ts';
import type { Control } from '../../../../src/egress/control/server.ts';
import type { Followed } from '../../../../src/egress/egress.ts';
import { Enforcement } from '../../../../src/egress/enforcement.ts';
import { openPolicies } from '../../../../src/egress/policies.ts';
import type { OwnedPolicies } from '../../../../src/egress/policies.ts';
import { HypemanError } from '../../../../src/errors.ts';
import { openLog } from '../../../../src/log.ts';
import { Secret } from '../../../../src/secrets/secret.ts';
import { aGrant, aPolicy } from '../../../support/egress-policies.ts';
import { fakeListeners } from '../../../support/fake-listeners.ts';

const CANARY = 'canary-77aa';
let directory: string;
let path: string;
let control: Control;
let policies: OwnedPolicies;
let trail: AuditTrail;
let listeners: ReturnType<typeof fakeListeners>;

beforeEach(async () => {
  directory = mkdtempSync(`${tmpdir()}/hm-control-`);
  path = `${directory}/s`;
  policies = openPolicies();
  trail = openAuditTrail();
  listeners = fakeListeners();
  const authority = await openAuthority({ directory: `${directory}/ca` });
  const enforcement = new Enforcement({ policies, authority, trail, proxy: listeners });
  control = await openControl({ path, enforcement, trail, log: openLog('silent') });
});
afterEach(async () => {
  await control.close();
  rmSync(directory, { recursive: true });
});

async function inControl() {
  const client = await connectControl(path);
  await client.takeControl();
  return client;
}

/** All that the process says to these bytes until it closes the connection or `answers` lines have come. */
async function said(bytes: string | Buffer, answers = Infinity): Promise<string> {
  const socket = connect(path);
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.split('\n').length > answers) socket.destroy();
  });
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

function decision(over: Partial<Decision> = {}): Decision {
  const what = { way: 'tls', verdict: 'injected', reason: 'Granted', credentials: ['K'] } as const;
  return { at: 1, instance: 'instance-a', key: 'default/a', host: 'api.example.com', ...what, ...over };
}

test('a policy that is put is in force when the answer is there', async () => {
  const client = await inControl();
  const answer = await client.putPolicy(aPolicy({ generation: 3 }), 'r1');
  expect(policies.of('instance-a')?.grants[0]?.value?.reveal()).toBe('real-value');
  expect(answer).toMatchObject({ generation: 3, revision: 'r1', ports: { explicit: 40_003 } });
  expect((await client.list()).inForce).toEqual([answer]);
  client.end();
});

test('only its owner may connect', () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a controller that goes away takes no policy with it', async () => {
  const client = await inControl();
  await client.putPolicy(aPolicy(), 'r1');
  client.end();
  await client.ended;
  const next = await inControl();
  expect((await next.list()).inForce.map((one) => one.revision)).toEqual(['r1']);
  next.end();
});

test('a second controller takes over: the first one is cut off and changes nothing any more', async () => {
  const first = await inControl();
  const second = await inControl();
  await first.ended;
  await expect(first.putPolicy(aPolicy(), 'old')).rejects.toMatchObject({ reason: 'ProxyUnavailable' });
  await second.putPolicy(aPolicy(), 'new');
  expect((await second.list()).inForce.map((one) => one.revision)).toEqual(['new']);
  second.end();
});

test('who has not taken control may look and not touch', async () => {
  const client = await connectControl(path);
  expect(await client.ping()).toBe(process.pid);
  expect(await client.list()).toEqual({ inForce: [], kept: [] });
  await expect(client.putPolicy(aPolicy(), 'r')).rejects.toMatchObject({ reason: 'NotInControl' });
  await expect(client.removePolicy('instance-a', true)).rejects.toMatchObject({ reason: 'NotInControl' });
  client.end();
});

test('a bad policy is refused and the one before stays', async () => {
  const client = await inControl();
  await client.putPolicy(aPolicy(), 'r1');
  const bad = aPolicy({ grants: [aGrant({ value: new Secret(`${CANARY}\r\n`) })] });
  const error: unknown = await client.putPolicy(bad, 'r2').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ reason: 'BadMessage' });
  expect(String(error)).not.toContain(CANARY);
  expect((await client.list()).inForce.map((one) => one.revision)).toEqual(['r1']);
  client.end();
});

test('a failure arrives with its reason and fate; what was not foreseen says nothing of itself', async () => {
  const client = await inControl();
  listeners.failNext(new HypemanError('transient', 'GatewayMissing', 'no such address on this host'));
  await expect(client.putPolicy(aPolicy(), 'r')).rejects.toMatchObject({
    fate: 'transient',
    reason: 'GatewayMissing',
  });
  listeners.failNext(new Error(CANARY));
  const error: unknown = await client.putPolicy(aPolicy(), 'r').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ fate: 'bug', reason: 'UnexpectedError' });
  expect(String(error)).not.toContain(CANARY);
  client.end();
});

test.each([
  ['no JSON', `${CANARY}\n`],
  ['a list', '[]\n'],
  ['no number', '{"ask":"ping"}\n'],
  ['a negative number', '{"ask":"ping","id":-1}\n'],
  ['an HTTP request', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['noise', Buffer.from([0, 255, 10, 254, 10])],
])('who says %s is left without an answer', async (_, bytes) => {
  expect(await said(bytes)).toBe('');
});

test.each([
  ['an unknown request', '{"ask":"shutdown","id":1}\n'],
  ['a path in place of an instance', '{"ask":"counters","instance":"../../x","id":1}\n'],
  ['an object in place of a text', '{"ask":{"put-policy":1},"id":1}\n'],
])('%s is refused, and the next one answered', async (_, bytes) => {
  const answers = (await said(`${bytes}{"ask":"ping","id":2}\n`, 2)).split('\n');
  expect(JSON.parse(answers[0] ?? '')).toMatchObject({ id: 1, is: 'refused', reason: 'BadMessage' });
  expect(JSON.parse(answers[1] ?? '')).toMatchObject({ id: 2, is: 'done' });
});

test('a policy that is too large for one message is its own failure: the conversation goes on', async () => {
  const client = await inControl();
  const value = new Secret('"'.repeat(64 * 1024));
  const grants = Array.from({ length: 40 }, (_, at) => aGrant({ header: `x-${at}`, value }));
  await expect(client.putPolicy(aPolicy({ grants }), 'r1')).rejects.toMatchObject({
    ...{ fate: 'transient', reason: 'PolicyTooLarge' },
    message: expect.stringContaining('default/a') as string,
  });
  expect((await client.putPolicy(aPolicy(), 'r2')).revision).toBe('r2');
  client.end();
});

test('a message without an end is given up, and others are served', async () => {
  expect(await said(Buffer.alloc(5 * 1024 * 1024, 'x'))).toBe('');
  const client = await connectControl(path);
  expect(await client.ping()).toBe(process.pid);
  client.end();
});

test('a follower hears the last decisions and then each new one, of its instance alone', async () => {
  trail.open('instance-a', 'default/a');
  trail.open('instance-b', 'default/b');
  trail.decided(decision({ at: 1 }));
  trail.decided(decision({ at: 2, instance: 'instance-b' }));
  const stop = new AbortController();
  const heard: Followed[] = [];
  for await (const told of followDecisions(path, {
    instance: 'instance-a',
    follow: true,
    signal: stop.signal,
  })) {
    heard.push(told);
    if (heard.length === 1) {
      trail.decided(decision({ at: 3, instance: 'instance-b' }));
      trail.decided(decision({ at: 4 }));
    } else stop.abort();
  }
  expect(heard).toEqual([
    { is: 'decision', decision: decision({ at: 1 }) },
    { is: 'decision', decision: decision({ at: 4 }) },
  ]);
});

test('without following, the last decisions are all', async () => {
  trail.open('instance-a', 'default/a');
  for (let at = 0; at < 5; at += 1) trail.decided(decision({ at }));
  const heard: Followed[] = [];
  const ask = { follow: false, signal: new AbortController().signal };
  for await (const told of followDecisions(path, ask)) heard.push(told);
  expect(heard).toHaveLength(5);
});

test('a follower whose process ends hears of the end', async () => {
  const following = followDecisions(path, { follow: true, signal: new AbortController().signal });
  const first = following.next();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await control.close();
  expect(await first).toEqual({ done: true, value: undefined });
});

test('a follower that does not read is told how much it missed, and costs no memory', async () => {
  trail.open('instance-a', 'default/a');
  const socket = connect(path);
  socket.write('{"ask":"decisions","follow":true,"id":1}\n');
  await once(socket, 'data');
  socket.pause();
  for (let at = 0; at < 50_000; at += 1) trail.decided(decision({ at }));
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.resume();
  await new Promise((resolve) => setTimeout(resolve, 100));
  trail.decided(decision({ at: 99_999 }));
  await expect.poll(() => text).toContain('99999');
  const told = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { is: string; count?: number });
  const heard = told.filter(({ is }) => is === 'decision').length;
  const missed = told.reduce((sum, { count }) => sum + (count ?? 0), 0);
  expect(missed).toBeGreaterThan(1000);
  expect(heard + missed).toBe(50_001);
  socket.destroy();
});

test('counters arrive as they are', async () => {
  const client = await inControl();
  await client.putPolicy(aPolicy(), 'r');
  trail.decided(decision());
  trail.decided(decision({ verdict: 'refused', reason: 'HostMismatch' }));
  trail.decided(decision({ verdict: 'forwarded', reason: 'PlaceholderLeak' }));
  trail.resolved('instance-a');
  expect(await client.counters('instance-a')).toEqual(trail.counters('instance-a'));
  expect(await client.counters('nobody')).toEqual([]);
  client.end();
});

test('a server that says what is no answer is left', async () => {
  const liar = createServer((socket) => socket.on('data', () => socket.write('nonsense\n')));
  liar.listen(`${directory}/liar`);
  await once(liar, 'listening');
  const client = await connectControl(`${directory}/liar`);
  await expect(client.ping()).rejects.toMatchObject({ reason: 'ProxyUnavailable' });
  liar.close();
});

test('a server that does not answer in time is left', async () => {
  const silent = createServer(() => undefined);
  silent.listen(`${directory}/silent`);
  await once(silent, 'listening');
  const client = await connectControl(`${directory}/silent`);
  await expect(client.ping(50)).rejects.toMatchObject({ reason: 'ProxyUnavailable' });
  await client.ended;
  silent.close();
});
