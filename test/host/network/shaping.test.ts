import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Shaping } from '../../../src/machine/network.ts';
import type { OpenNetwork } from '../../../src/network/network.ts';
import { SERVER } from '../../support/netns.ts';
import type { LabGuest } from '../../support/netns.ts';
import { NetworkStage, ONE, admit } from '../../support/network-stage.ts';

const stage = new NetworkStage();
let network: OpenNetwork;
let guest: LabGuest;

beforeAll(async () => {
  await stage.setUp();
  network = await stage.open();
  await admit(network, ONE);
  guest = await stage.lab.join(ONE);
  const server = await stage.lab.start(stage.lab.internetNs, 'iperf3', ['-s', '-B', SERVER, '--forceflush']);
  await server.said((line) => line.includes('listening'));
});

afterAll(() => stage.close());

beforeEach(() => network.shapeTap(ONE, {}));

/** Bytes per second of payload that arrive, without the first second of a connection's finding its rate. */
async function rateOf(direction: 'download' | 'upload', seconds = 3): Promise<number> {
  const args = [
    '-c',
    SERVER,
    '-J',
    '-O',
    '1',
    '-t',
    String(seconds),
    ...(direction === 'download' ? ['-R'] : []),
  ];
  const text = await stage.lab.output(guest.space, 'iperf3', args);
  const report = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 8;
}

/** More often than a busy machine can steal a measurement; what a limit lets through is never too much. */
const TRIES = 6;

/** The best of some measurements, each of which must keep below the limit and a tenth. */
async function bestRateOf(direction: 'download' | 'upload', limit: number): Promise<number> {
  let best = 0;
  for (let tries = 0; tries < TRIES && best <= 0.9 * limit; tries += 1) {
    const rate = await rateOf(direction, 2);
    expect(rate).toBeLessThan(1.1 * limit);
    best = Math.max(best, rate);
  }
  return best;
}

describe.each([2_000_000, 20_000_000])('a limit of %i bytes per second', (limit) => {
  test.each(['download', 'upload'] as const)('holds for %s, within a tenth', async (direction) => {
    const shaping = direction === 'download' ? { downloadBps: limit } : { uploadBps: limit };
    await network.shapeTap(ONE, shaping);
    expect((await network.look(ONE)).shaping).toEqual(shaping);
    expect(await bestRateOf(direction, limit)).toBeGreaterThan(0.9 * limit);
  });
});

test('each way has its own limit', async () => {
  await network.shapeTap(ONE, { downloadBps: 4_000_000, uploadBps: 1_000_000 });
  expect(await bestRateOf('download', 4_000_000)).toBeGreaterThan(3_600_000);
  expect(await bestRateOf('upload', 1_000_000)).toBeGreaterThan(900_000);
});

test('a limit is changed and lifted while traffic flows, and says so', async () => {
  const changes: readonly Shaping[] = [
    { downloadBps: 5_000_000 },
    { downloadBps: 6_000_001, uploadBps: 7_000_003 },
    { uploadBps: 8_000_000 },
    { uploadBps: 9_000_000 },
    {},
  ];
  const running = rateOf('download', 2);
  for (const shaping of changes) {
    await network.shapeTap(ONE, shaping);
    await network.shapeTap(ONE, shaping);
    expect((await network.look(ONE)).shaping).toEqual(shaping);
  }
  expect(await running).toBeGreaterThan(0);
  expect(await rateOf('download', 1)).toBeGreaterThan(6_600_001);
  expect(await rateOf('upload', 1)).toBeGreaterThan(9_900_000);
  expect(await stage.lab.output(stage.lab.hostNs, 'ip', ['-o', 'link', 'show', 'type', 'ifb'])).toBe('');
});
