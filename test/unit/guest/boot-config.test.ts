import { describe, expect, test } from 'vitest';
import { bootConfig } from '../../../src/guest/boot-config.ts';
import { subjectHash } from '../../../src/guest/subject-hash.ts';
import { signalNumber } from '../../../src/guest/signals.ts';
import { instanceId } from '../../../src/machine/ids.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { SHAPE_CA } from '../../support/test-ca.ts';

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

describe('a mediated program', () => {
  const egress = {
    ...{ proxy: 'http://10.100.0.1:3128', noProxy: 'localhost,10.100.0.1' },
    authority: { certificate: SHAPE_CA, fingerprint: 'ab'.repeat(32) },
  };
  const told = (image: Readonly<Record<string, string>>, own: Readonly<Record<string, string>> = {}) => {
    const env = Object.fromEntries(Object.entries(own).map(([name, value]) => [name, new Secret(value)]));
    return bootConfig({ ...boot, imageEnv: image, egress }, env)
      .toString()
      .split('\0');
  };

  test('knows its proxy under every name, and the bundle under those that clients look at', () => {
    const words = told({});
    for (const name of ['HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'http_proxy'])
      expect(words).toContain(`e${name}=http://10.100.0.1:3128`);
    expect(words).toContain('eno_proxy=localhost,10.100.0.1');
    for (const name of ['SSL_CERT_FILE', 'CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'])
      expect(words).toContain(`e${name}=/etc/ssl/hypeman-ca-bundle.crt`);
    expect(words).toContain(`c${SHAPE_CA}`);
    expect(words).toContain(`f${'ab'.repeat(32)}`);
    expect(words).toContain(`k${subjectHash(SHAPE_CA)}`);
  });

  test('whose owner set a proxy has that one, in the spelling that was set and no other', () => {
    const words = told({ HTTPS_PROXY: 'http://of.image' }, { https_proxy: 'http://mine' });
    expect(words).toContain('ehttps_proxy=http://mine');
    expect(words.filter((word) => word.startsWith('eHTTPS_PROXY'))).toEqual([]);
    expect(words).toContain('eHTTP_PROXY=http://10.100.0.1:3128');
  });

  test('does not have the proxy that the image was built behind', () => {
    const words = told({ http_proxy: 'http://of.image', NO_PROXY: 'of.image' }).filter((word) =>
      word.includes('of.image'),
    );
    expect(words).toEqual([]);
  });

  test('tells services of a full system what is ours, and nothing that its owner set', () => {
    const words = told({}, { https_proxy: 'http://ann:s3cret@mine' }).filter((word) => word.startsWith('v'));
    expect(words).toContain('vHTTP_PROXY=http://10.100.0.1:3128');
    expect(words).toContain('vSSL_CERT_FILE=/etc/ssl/hypeman-ca-bundle.crt');
    expect(words.join()).not.toContain('s3cret');
  });

  test('keeps the bundle that the image or its owner named, and init is told to add the CA there', () => {
    const words = told(
      { SSL_CERT_FILE: '/nix/ca.crt' },
      { PIP_CERT: '/my/ca.pem', AWS_CA_BUNDLE: 'relative' },
    );
    expect(words).toContain('eSSL_CERT_FILE=/nix/ca.crt');
    expect(words).toContain('ePIP_CERT=/my/ca.pem');
    expect(words.filter((word) => word.startsWith('b'))).toEqual(['b/nix/ca.crt', 'b/my/ca.pem']);
  });
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
