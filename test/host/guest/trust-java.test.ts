import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import { LAYOUTS, put, textIn } from '../../support/image-root.ts';
import { installed, trustStage } from '../../support/trust-stage.ts';

const stage = trustStage();

describe('Java', () => {
  const listed = async (path: string): Promise<string> =>
    commandOutput('keytool', [
      '-list',
      '-rfc',
      '-keystore',
      join(stage.root, path),
      '-storepass',
      'changeit',
    ]);

  test.each([
    ['debian', 'etc/ssl/certs/java/cacerts'],
    ['rhel', 'etc/pki/ca-trust/extracted/java/cacerts'],
  ] as const)('on %s the store has ours once and keeps its own, however often', async (layout, store) => {
    await LAYOUTS[layout](stage.root, stage.web.authority.certificate);
    for (const ca of [stage.ours, stage.later, stage.later])
      expect(await stage.start(ca.authority)).toBe(installed(ca));
    const list = await listed(store);
    expect(list).toContain('Your keystore contains 2 entries');
    expect(list.replaceAll('\r', '')).toContain(stage.later.authority.certificate.trim());
    expect(list.replaceAll('\r', '')).toContain(stage.web.authority.certificate.trim());
  });

  test('this host’s store of all public CAs loses none', async () => {
    const whole = await readFile('/etc/ssl/certs/java/cacerts');
    await put(stage.root, 'opt/java/lib/security/cacerts', whole);
    await stage.start(stage.ours.authority, { JAVA_HOME: '/opt/java/' });
    const before = await commandOutput('keytool', ['-list', '-keystore', '/etc/ssl/certs/java/cacerts']);
    const entries = (list: string): number => Number(/contains (\d+) entr/.exec(list)?.[1]);
    expect(entries(await listed('opt/java/lib/security/cacerts'))).toBe(entries(before) + 1);
  });

  test('a store that cannot be read is made anew from the image’s bundle', async () => {
    await LAYOUTS.debian(stage.root, stage.web.authority.certificate);
    await put(stage.root, 'etc/ssl/certs/java/cacerts', Buffer.from('308201230201033000', 'hex'));
    await stage.start(stage.ours.authority);
    expect(await listed('etc/ssl/certs/java/cacerts')).toContain('contains 2 entries');
  });

  test('what is no store at all is left alone', async () => {
    await put(stage.root, 'etc/ssl/certs/java/cacerts', 'root:x:0:0');
    expect(await stage.start(stage.ours.authority)).toBe(installed(stage.ours));
    expect(await textIn(stage.root, 'etc/ssl/certs/java/cacerts')).toBe('root:x:0:0');
  });
});
