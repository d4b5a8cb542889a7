import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectControl } from '../../../src/egress/control/client.ts';
import { findEgress } from '../../../src/egress/launch.ts';
import { isAlive, readBootId } from '../../../src/host/processes.ts';
import { aPolicy } from '../../support/egress-policies.ts';
import { isListening, openEgressStage } from '../../support/egress-stage.ts';
import type { EgressStage } from '../../support/egress-stage.ts';

const bootId = await readBootId();
let stage: EgressStage;

beforeEach(() => {
  stage = openEgressStage(bootId);
});
afterEach(() => stage.close());

test('a host on which nobody wants mediation has no process, and nothing is wrong with that', async () => {
  const egress = await stage.controller();
  expect(await findEgress(stage.place, bootId)).toBeUndefined();
  expect(egress.problem()).toBeUndefined();
  expect([await egress.known(), await egress.counters()]).toEqual([[], []]);
  await egress.remove('instance-a', { forget: true });
  const signal = AbortSignal.timeout(1000);
  for await (const told of egress.decisions({ follow: true, signal })) expect(told).toBeUndefined();
  expect(await findEgress(stage.place, bootId)).toBeUndefined();
});

test('the process ends with the last policy, and the next one starts another', async () => {
  const egress = await stage.controller();
  await Promise.all(['a', 'b'].map((name) => egress.put(aPolicy({ instance: name }), 'r1')));
  const before = await stage.process();
  await egress.remove('a', { forget: true });
  expect(await isAlive(before, bootId)).toBe(true);
  await egress.remove('b');
  expect(await isAlive(before, bootId)).toBe(false);
  expect(egress.problem()).toBeUndefined();
  expect(await egress.known()).toEqual(['b']);
  await egress.remove('b', { forget: true });
  expect(await egress.known()).toEqual([]);
  const { ports } = await egress.put(aPolicy(), 'r2');
  expect(await isListening(ports.tls)).toBe(true);
});

test('a policy that is put while the last one is removed is in force', async () => {
  const egress = await stage.mediatingController();
  for (let round = 0; round < 3; round += 1) {
    const removed = egress.remove('instance-a');
    const put = new Promise((resolve) => setTimeout(resolve, round * 5)).then(() =>
      egress.put(aPolicy({ instance: 'instance-b' }), 'r1'),
    );
    await removed;
    expect(await isListening((await put).ports.tls)).toBe(true);
    await egress.put(aPolicy(), 'r1');
    await egress.remove('instance-b');
  }
});

test('a process without a policy, left by a controller that died, is ended by the next', async () => {
  const first = await stage.mediatingController();
  await first.close();
  const process = await stage.process();
  const left = await connectControl(stage.place.socket);
  await left.takeControl();
  await left.removePolicy('instance-a', true);
  left.end();
  const second = await stage.controller();
  expect(await isAlive(process, bootId)).toBe(false);
  expect(second.problem()).toBeUndefined();
});
