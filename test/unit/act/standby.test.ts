import { describe, expect, test } from 'vitest';
import { refreshGuest, restoreMachine } from '../../../src/act/standby.ts';
import type { Hands } from '../../../src/act/hands.ts';
import { HypemanError } from '../../../src/errors.ts';
import { plan } from '../../../src/plan/plan.ts';
import { standbyWorld } from '../../support/standby-worlds.ts';
import { IDENTITY } from '../../support/worlds.ts';

const restore = plan(standbyWorld()).actions.find(({ kind }) => kind === 'restore-machine');
if (restore?.kind !== 'restore-machine') throw new Error('nothing is restored');

function failing(error: HypemanError): Hands {
  return {
    links: { drop: () => undefined },
    drivers: { qemu: { memory: { restore: () => Promise.reject(error) } } },
  } as unknown as Hands;
}

const { signal } = new AbortController();

describe('a restore that fails', () => {
  test('for the memory’s own sake waits for the user, and says what can be done', async () => {
    const hands = failing(
      new HypemanError('transient', 'SnapshotUnusable', 'its device state cannot be read'),
    );
    await expect(restoreMachine(hands, restore, signal)).rejects.toMatchObject({
      fate: 'invalid',
      reason: 'RestoreFailed',
      message: expect.stringMatching(/device state cannot be read; .*state Stopped gives it up/) as string,
    });
  });

  test('for want of room or time is tried again', async () => {
    const hands = failing(new HypemanError('transient', 'DiskFull', 'no space left'));
    await expect(restoreMachine(hands, restore, signal)).rejects.toMatchObject({
      fate: 'transient',
      reason: 'RestoreFailed',
    });
  });
});

test('a refreshed guest is told the time of now and given entropy that no other gets', () => {
  const clocks: number[] = [];
  const seeds: string[] = [];
  const links = {
    setClock: (_: string, at: number) => clocks.push(at) > 0,
    reseed: (_: string, entropy: Uint8Array) => seeds.push(Buffer.from(entropy).toString('hex')) > 0,
  } as unknown as Hands['links'];
  refreshGuest({ links }, IDENTITY.id);
  refreshGuest({ links }, IDENTITY.id);
  expect(Math.abs(Date.now() - (clocks[0] ?? 0))).toBeLessThan(60_000);
  expect(seeds.map((seed) => seed.length)).toEqual([128, 128]);
  expect(new Set(seeds).size).toBe(2);
});

test.each([
  ['the time', { setClock: () => false, reseed: () => true }],
  ['entropy', { setClock: () => true, reseed: () => false }],
])('a guest that was not told %s counts as one that was not refreshed, and is told again', (_, said) => {
  const links = said as unknown as Hands['links'];
  expect(() => {
    refreshGuest({ links }, IDENTITY.id);
  }).toThrow(expect.objectContaining({ fate: 'transient', reason: 'GuestUnreachable' }));
});
