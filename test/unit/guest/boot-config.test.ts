import { describe, expect, test } from 'vitest';
import { bootConfig } from '../../../src/guest/boot-config.ts';
import { signalNumber } from '../../../src/guest/signals.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { Secret } from '../../../src/secrets/secret.ts';

const boot = {
  id: instanceId('abc'),
  hostname: 'web',
  argv: ['nginx', '-g', 'daemon off;'],
  imageEnv: { PATH: '/bin', MODE: 'image' },
  workdir: '',
  user: '',
  stopSignal: 'SIGQUIT',
  agent: true,
};

test('what init reads: one record a fact, the instance’s environment over the image’s, a full stop at the end', () => {
  const network = { ip: '10.100.0.2', gateway: '10.100.0.1', mac: '02:00:00:00:00:01' };
  const text = bootConfig({ ...boot, network }, { MODE: new Secret('mine') }).toString();
  expect(text.split('\0')).toEqual([
    ...['iabc', 'hweb', 'w/', 'u', 's3', 'x1', 'anginx', 'a-g', 'adaemon off;'],
    ...['ePATH=/bin', 'eMODE=mine', 'p10.100.0.2', 'g10.100.0.1', 'm02:00:00:00:00:01', '.', ''],
  ]);
});

describe('what no program could be given is refused, and no value is shown', () => {
  test('a NUL byte', () => {
    const refused = (): Buffer => bootConfig(boot, { KEY: new Secret('s3cret\0') });
    expect(refused).toThrow(/NUL/);
    expect(refused).not.toThrow(/s3cret/);
  });
  test('no program at all', () => {
    expect(() => bootConfig({ ...boot, argv: [] }, {})).toThrow(/spec\.cmd/);
  });
  test('more than a megabyte', () => {
    expect(() => bootConfig({ ...boot, argv: ['x'.repeat(1_000_001)] }, {})).toThrow(/1 MB/);
  });
});

test.each([
  ['SIGTERM', 15],
  ['TERM', 15],
  ['quit', 3],
  ['9', 9],
  ['SIGRTMIN+3', 37],
  ['RTMAX-1', 63],
  ['SIGNOPE', undefined],
  ['0', undefined],
  ['RTMIN+40', undefined],
])('the stop signal %s is %s', (text, number) => {
  expect(signalNumber(text)).toBe(number);
});
