import { expect, test } from 'vitest';
import type { Listing } from '../../../src/network/listing.ts';
import { shapingOf, shapingSteps } from '../../../src/network/shaping.ts';

const TAP = 'hm-ab12zmbrgj3a';
const IFB = 'hi-ab12zmbrgj3a';

function seen(rates: Readonly<Record<string, number>>, redirected: readonly string[] = []): Listing {
  const device = { isUp: true, owner: undefined, mac: '' };
  return {
    devices: new Map(Object.keys(rates).map((name) => [name, device])),
    ...{ routes: new Map(), rules: [], ruleset: 'absent' },
    ...{ rates: new Map(Object.entries(rates)), redirected: new Set(redirected) },
  };
}

test('an upload limit that nothing is redirected to is none', () => {
  expect(shapingOf(seen({ [IFB]: 1000 }), TAP)).toEqual({});
  expect(shapingOf(seen({ [IFB]: 1000, [TAP]: 2000 }, [TAP]), TAP)).toEqual({
    uploadBps: 1000,
    downloadBps: 2000,
  });
});

test('without limits, a tap without limits is left alone', () => {
  expect(shapingSteps(TAP, {}, seen({}))).toEqual({ ip: '', tc: '', ipAfterwards: '' });
});

test('the redirection ends before its device does', () => {
  const { tc, ipAfterwards } = shapingSteps(TAP, {}, seen({ [IFB]: 1000 }, [TAP]));
  expect(tc).toBe(`qdisc del dev ${TAP} ingress\n`);
  expect(ipAfterwards).toBe(`link del ${IFB}\n`);
});

test('a device that is there already is not made again', () => {
  expect(shapingSteps(TAP, { uploadBps: 5 }, seen({ [IFB]: 1000 }, [TAP])).ip).toBe(
    `link set dev ${IFB} up\n`,
  );
});

test('a bucket holds two whole frames at the lowest rate', () => {
  expect(shapingSteps(TAP, { downloadBps: 1 }, seen({})).tc).toContain('rate 1bps burst 3028 ');
});
