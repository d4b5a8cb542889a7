import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openAuditTrail } from '../../../src/egress/audit-trail.ts';
import { openAuthority } from '../../../src/egress/authority/open-authority.ts';
import { Enforcement } from '../../../src/egress/enforcement.ts';
import { openPolicies } from '../../../src/egress/policies.ts';
import { aGrant, aGrantWithoutValue, aPolicy } from '../../support/egress-policies.ts';
import { fakeListeners } from '../../support/fake-listeners.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(`${tmpdir()}/hm-enforcement-`);
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

async function aHouse() {
  const parts = {
    policies: openPolicies(),
    authority: await openAuthority({ directory }),
    trail: openAuditTrail(),
    proxy: fakeListeners(),
  };
  return { ...parts, enforcement: new Enforcement(parts) };
}

test('what was put is in force, with listeners and a certificate', async () => {
  const { enforcement, policies, authority } = await aHouse();
  const answer = await enforcement.put(aPolicy({ generation: 7 }), 'r1');
  expect(answer).toMatchObject({ instance: 'instance-a', key: 'default/a', generation: 7, revision: 'r1' });
  expect(answer.certificate).toBe(authority.certificateOf('instance-a'));
  expect(policies.of('instance-a')?.generation).toBe(7);
  expect(await enforcement.list()).toEqual({ inForce: [answer], kept: ['instance-a'] });
});

test('a second policy keeps ports and certificate', async () => {
  const { enforcement } = await aHouse();
  const one = await enforcement.put(aPolicy(), 'r1');
  const two = await enforcement.put(aPolicy({ generation: 2 }), 'r2');
  expect(two).toEqual({ ...one, generation: 2, revision: 'r2' });
});

test('a value that is not given goes on as it is, and is told where nobody has it', async () => {
  const { enforcement, policies } = await aHouse();
  const without = aPolicy({ grants: [aGrantWithoutValue()] });
  expect((await enforcement.put(without, 'r0')).lacking).toEqual(['OPENAI_KEY']);
  await enforcement.put(aPolicy(), 'r1');
  expect((await enforcement.put(without, 'r2')).lacking).toEqual([]);
  expect(policies.of('instance-a')?.grants[0]?.value?.reveal()).toBe('real-value');
  await enforcement.put(aPolicy({ grants: [] }), 'r3');
  expect((await enforcement.put(without, 'r4')).lacking).toEqual(['OPENAI_KEY']);
});

test('a change that fails leaves in force what was', async () => {
  const { enforcement, policies, proxy } = await aHouse();
  const before = await enforcement.put(aPolicy(), 'r1');
  proxy.failNext(new Error('no such address'));
  await expect(enforcement.put(aPolicy({ generation: 2 }), 'r2')).rejects.toThrow('no such address');
  expect(policies.of('instance-a')?.generation).toBe(1);
  expect((await enforcement.list()).inForce).toEqual([before]);
});

test('a first policy that fails leaves nothing in force', async () => {
  const { enforcement, policies, proxy } = await aHouse();
  proxy.failNext(new Error('no such address'));
  await expect(enforcement.put(aPolicy(), 'r1')).rejects.toThrow();
  expect(policies.of('instance-a')).toBeUndefined();
  expect((await enforcement.list()).inForce).toEqual([]);
});

test('what is removed has neither policy nor listeners, but still its CA', async () => {
  const { enforcement, policies, proxy } = await aHouse();
  const before = await enforcement.put(aPolicy(), 'r1');
  await enforcement.remove('instance-a', false);
  expect(policies.of('instance-a')).toBeUndefined();
  expect(proxy.bound()).toEqual([]);
  expect(await enforcement.list()).toEqual({ inForce: [], kept: ['instance-a'] });
  expect((await enforcement.put(aPolicy(), 'r1')).certificate).toBe(before.certificate);
});

test('what is forgotten leaves nothing, and can be forgotten again', async () => {
  const { enforcement, trail } = await aHouse();
  await enforcement.put(aPolicy(), 'r1');
  await enforcement.remove('instance-a', true);
  await enforcement.remove('instance-a', true);
  expect(await enforcement.list()).toEqual({ inForce: [], kept: [] });
  expect(trail.counters()).toEqual([]);
});

test('nothing gets through before the listeners of a removal are closed', async () => {
  const { enforcement, policies, proxy } = await aHouse();
  await enforcement.put(aPolicy(), 'r1');
  const seen: unknown[] = [];
  proxy.drop = (instance) => {
    seen.push(policies.of(instance));
    return Promise.resolve();
  };
  await enforcement.remove('instance-a', false);
  expect(seen).toEqual([undefined]);
});

test('changes asked for at once are made in the order of asking', async () => {
  const { enforcement, policies } = await aHouse();
  const all = Array.from({ length: 20 }, (_, n) => enforcement.put(aPolicy({ generation: n }), `r${n}`));
  await Promise.all([
    ...all,
    enforcement.remove('instance-a', false),
    enforcement.put(aPolicy({ generation: 99 }), 'z'),
  ]);
  expect(policies.of('instance-a')?.generation).toBe(99);
});

test('the hosts of a credential are those of all its rules, or every one', async () => {
  const { enforcement, trail } = await aHouse();
  const grants = [
    aGrant({ credential: 'A', hosts: ['one.test', 'two.test'] }),
    aGrant({ credential: 'A', hosts: ['two.test', 'three.test'], header: 'x-key' }),
    aGrant({ credential: 'B', hosts: ['one.test'] }),
    aGrant({ credential: 'B', hosts: [], header: 'x-key' }),
  ];
  await enforcement.put(aPolicy({ grants }), 'r');
  expect(trail.counters()[0]?.credentials).toMatchObject({
    A: { hosts: ['one.test', 'two.test', 'three.test'] },
    B: { hosts: [] },
  });
});
