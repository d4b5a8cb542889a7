import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { conditionOf, getInstance, tracesOf } from '../support/controller-process.ts';
import { COUNTER, isReady, openForkHouse } from '../support/fork-house.ts';
import type { ForkHouse } from '../support/fork-house.ts';

const CUT_OFF = { forkFrom: { fromRunning: true }, network: { enabled: false } };
/** What a hostile guest would try: its link up again, as itself or as its source, and out. */
const REACH = 'ip link set eth0 up; sleep 1; cat /sys/class/net/eth0/carrier 2>&1';

let house: ForkHouse;

beforeAll(async () => {
  house = await openForkHouse('10.155.0.0/24');
  await house.declareDemo('base', COUNTER);
  await house.untilReady('base');
});

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') await house.keepEvidence(context.task.name);
});

afterAll(async () => {
  await house.close();
});

async function carrierOf(name: string): Promise<string> {
  return house.inGuest(name, REACH);
}

describe('a fork that is to have no network, of a running source that has one', () => {
  test('goes on with the memory, and has none', async () => {
    const life = await house.lifeOf('base');
    expect(await carrierOf('base')).toBe('1');
    await house.declareForks(['island'], 'base', CUT_OFF);
    const { status } = await house.untilReady('island');
    expect((await house.lifeOf('island')).boot).toBe(life.boot);
    expect(await house.inGuest('island', 'hostname')).toBe('island');
    expect(status.network).toBeUndefined();
    expect(status.pendingFields).toBeUndefined();
    expect(await carrierOf('island')).toBe('0');
    expect(await house.inGuest('island', 'ip -4 route show; echo end')).toBe('end');
  });

  test('has none after a standby either, nor has a fork of it', async () => {
    await house.declareForks(['island'], 'base', { ...CUT_OFF, state: 'Standby' });
    await house.until('island', 'asleep', (seen) => seen.status.state === 'Standby' && isReady(seen));
    await house.declareForks(['islet'], 'island', { state: 'Running', network: { enabled: true } });
    await house.untilReady('islet');
    expect(await carrierOf('islet')).toBe('0');
    const islet = await house.until('islet', 'pending', (seen) => conditionOf(seen, 'UpToDate') === 'False');
    expect(islet.status.pendingFields).toEqual(['network.enabled']);
    await house.declareForks(['island'], 'base', CUT_OFF);
    await house.untilReady('island');
    expect(await carrierOf('island')).toBe('0');
  });

  test('has one as soon as it boots with one, and leaves nothing', async () => {
    const spec = { state: 'Running', network: { enabled: true }, updatePolicy: 'Restart' };
    await house.declareForks(['islet'], 'island', spec);
    await house.until(
      'islet',
      'restarted',
      (seen) => seen.status.pendingFields === undefined && isReady(seen),
    );
    expect(await carrierOf('islet')).toBe('1');
    for (const name of ['islet', 'island']) await house.withdraw(name);
    await house.remove('base');
    for (const name of ['islet', 'island'])
      await expect.poll(() => getInstance(house.place, name), { timeout: 60_000 }).toBeUndefined();
    const traces = (await tracesOf(house.place)).filter((trace) => !/controller|^table|^routing/.test(trace));
    expect(traces).toEqual([]);
  });
});
