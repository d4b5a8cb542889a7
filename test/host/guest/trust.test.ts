import { lstat, mkdir, readdir, readlink, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { subjectHash } from '../../../src/guest/subject-hash.ts';
import { BUNDLE_PATH } from '../../../src/guest/trust-environment.ts';
import { commandOutput } from '../../../src/host/exec.ts';
import { LAYOUTS, link, put, putProgram, textIn } from '../../support/image-root.ts';
import { installed, trustStage } from '../../support/trust-stage.ts';

const stage = trustStage();
const file = (path: string): readonly string[] => ['-CAfile', path, '-no-CApath', '-no-CAstore'];
const hashed = (path: string): readonly string[] => ['-CApath', path, '-no-CAfile', '-no-CAstore'];
const count = (text: string, what: string): number => text.split(what).length - 1;

test('the subject hash is openssl’s', async () => {
  for (const ca of [stage.ours, stage.web]) {
    await put(stage.root, 'ca.pem', ca.authority.certificate);
    expect(subjectHash(ca.authority.certificate)).toBe(
      await commandOutput('openssl', ['x509', '-hash', '-noout', '-in', join(stage.root, 'ca.pem')]),
    );
  }
});

describe('where an image keeps its CAs, ours is beside them and nothing else is lost', () => {
  test.each([
    ['debian', ['/etc/ssl/certs/ca-certificates.crt']],
    ['alpine', ['/etc/ssl/cert.pem', '/etc/ssl/certs/ca-certificates.crt', '/etc/ssl1.1/cert.pem']],
    ['rhel', ['/etc/pki/tls/cert.pem', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem']],
    ['suse', ['/etc/ssl/ca-bundle.pem', '/var/lib/ca-certificates/ca-bundle.pem']],
  ] as const)('%s', async (layout, bundles) => {
    await LAYOUTS[layout](stage.root, stage.web.authority.certificate);
    await putProgram(stage.root, '/usr/bin/openssl');
    expect(await stage.start(stage.ours.authority)).toBe(installed(stage.ours));
    for (const bundle of [...bundles, BUNDLE_PATH]) {
      expect(await stage.verdict(stage.ours, ...file(bundle))).toBeUndefined();
      expect(await stage.verdict(stage.web, ...file(bundle))).toBeUndefined();
      expect(await stage.verdict(stage.later, ...file(bundle))).toContain('verification failed');
    }
  });

  test('an image without any gets one, and the name that the variables have', async () => {
    await putProgram(stage.root, '/usr/bin/openssl');
    expect(await stage.start(stage.ours.authority)).toBe(installed(stage.ours));
    expect(await stage.verdict(stage.ours, ...file('/etc/ssl/certs/ca-certificates.crt'))).toBeUndefined();
    expect(await stage.verdict(stage.ours, ...file(BUNDLE_PATH))).toBeUndefined();
    expect((await stat(join(stage.root, 'etc/ssl/certs/ca-certificates.crt'))).mode & 0o777).toBe(0o644);
  });

  test('OpenSSL finds it by hash where the image has such a directory, and only there', async () => {
    await LAYOUTS.debian(stage.root, stage.web.authority.certificate);
    await putProgram(stage.root, '/usr/bin/openssl');
    await stage.start(stage.ours.authority);
    expect(await stage.verdict(stage.ours, ...hashed('/usr/lib/ssl/certs'))).toBeUndefined();
    expect(await stage.verdict(stage.web, ...hashed('/usr/lib/ssl/certs'))).toBeUndefined();
    await stage.start(stage.later.authority);
    expect(await stage.verdict(stage.later, ...hashed('/etc/ssl/certs'))).toBeUndefined();
    expect(await stage.verdict(stage.ours, ...hashed('/etc/ssl/certs'))).toContain('verification failed');
    await commandOutput('chroot', [stage.root, '/usr/bin/openssl', 'rehash', '/etc/ssl/certs']);
    await stage.start(stage.ours.authority);
    expect(await stage.verdict(stage.ours, ...hashed('/etc/ssl/certs'))).toBeUndefined();
  });

  test('a CA with the same hash keeps its number, and ours has the next', async () => {
    await LAYOUTS.debian(stage.root, stage.web.authority.certificate);
    const hash = subjectHash(stage.ours.authority.certificate);
    await link(stage.root, `etc/ssl/certs/${hash}.0`, 'public.pem');
    await stage.start(stage.ours.authority);
    await stage.start(stage.ours.authority);
    expect(await readlink(join(stage.root, `etc/ssl/certs/${hash}.0`))).toBe('public.pem');
    const names = (await readdir(join(stage.root, 'etc/ssl/certs'))).filter((name) => name.startsWith(hash));
    expect(names.sort()).toEqual([`${hash}.0`, `${hash}.1`]);
  });

  test('mode and owner of a bundle stay', async () => {
    await LAYOUTS.rhel(stage.root, stage.web.authority.certificate);
    const bundle = join(stage.root, 'etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem');
    await commandOutput('chown', ['7:9', bundle]);
    await stage.start(stage.ours.authority);
    const { mode, uid, gid } = await stat(bundle);
    expect([mode & 0o7777, uid, gid]).toEqual([0o444, 7, 9]);
    expect((await lstat(join(stage.root, 'etc/pki/tls/cert.pem'))).isSymbolicLink()).toBe(true);
  });

  test('the image’s own tools find it among the anchors', async () => {
    await LAYOUTS.debian(stage.root, stage.web.authority.certificate);
    await stage.start(stage.ours.authority);
    const anchor = await textIn(stage.root, 'usr/local/share/ca-certificates/hypeman-egress-ca.crt');
    expect(anchor).toContain(stage.ours.authority.certificate);
  });
});

describe('start after start', () => {
  test('an older CA of ours is replaced; the same one changes no byte and no time', async () => {
    await LAYOUTS.debian(stage.root, stage.web.authority.certificate);
    await stage.start(stage.ours.authority);
    await stage.start(stage.later.authority);
    const bundle = 'etc/ssl/certs/ca-certificates.crt';
    const text = await textIn(stage.root, bundle);
    expect(text).not.toContain(stage.ours.authority.certificate);
    expect(count(text, 'BEGIN CERTIFICATE')).toBe(2);
    const before = await stat(join(stage.root, bundle));
    await stage.start(stage.later.authority);
    expect((await stat(join(stage.root, bundle))).ino).toBe(before.ino);
  });

  test('without mediation everything of ours is gone, and the rest is as the image had it', async () => {
    await LAYOUTS.debian(stage.root, stage.web.authority.certificate);
    await stage.start(stage.ours.authority);
    expect(await stage.start(undefined)).toBe('1||');
    expect(await textIn(stage.root, 'etc/ssl/certs/ca-certificates.crt')).toBe(
      stage.web.authority.certificate,
    );
    const list = [
      '-list',
      '-keystore',
      join(stage.root, 'etc/ssl/certs/java/cacerts'),
      '-storepass',
      'changeit',
    ];
    expect(await commandOutput('keytool', list)).toContain('contains 1 entry');
    expect(await commandOutput('find', [stage.root, '-name', '*hypeman*'])).toBe('');
  });

  test.each([
    ['no newline at its end', (pem: string) => pem.trimEnd()],
    ['DOS line ends', (pem: string) => pem.replaceAll('\n', '\r\n')],
    ['bytes that are no text', (pem: string) => `\0\u00ff\n${pem}`],
    ['nothing in it', () => ''],
    ['a megabyte of words', (pem: string) => `${'words\n'.repeat(170_000)}${pem}`],
  ])('a bundle with %s keeps what it had and has ours once', async (_what, odd) => {
    const before = odd(stage.web.authority.certificate);
    await put(stage.root, 'etc/ssl/cert.pem', before);
    await stage.start(stage.later.authority);
    await stage.start(stage.ours.authority);
    const after = await textIn(stage.root, 'etc/ssl/cert.pem');
    expect(after.startsWith(before)).toBe(true);
    expect(count(after, stage.ours.authority.certificate)).toBe(1);
    expect(after).not.toContain(stage.later.authority.certificate);
  });
});

describe('files that the environment names', () => {
  test('have ours too, and serve as the system’s where there is no other', async () => {
    await put(stage.root, 'nix/store/cacert/ca-bundle.crt', stage.web.authority.certificate);
    expect(
      await stage.start(stage.ours.authority, { SSL_CERT_FILE: '/nix/store/cacert/ca-bundle.crt' }),
    ).toBe(installed(stage.ours));
    expect(await textIn(stage.root, 'nix/store/cacert/ca-bundle.crt')).toContain(
      stage.ours.authority.certificate,
    );
    expect(await readlink(join(stage.root, BUNDLE_PATH))).toBe('/nix/store/cacert/ca-bundle.crt');
  });

  test('are left alone where they are no plain files, with a word on the console', async () => {
    await mkdir(join(stage.root, 'some/where'), { recursive: true });
    const said = await stage.start(stage.ours.authority, {
      PIP_CERT: '/some/where',
      AWS_CA_BUNDLE: '/not/there',
    });
    expect(said.split('\n')).toEqual([
      'note leaving alone /some/where: Is a directory',
      installed(stage.ours),
    ]);
  });
});
