import { randomInt } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandOutput, runCommand } from '../../../src/host/exec.ts';
import { LAYOUTS, link, put, textIn } from '../../support/image-root.ts';
import { failed, installed, trustStage } from '../../support/trust-stage.ts';

const stage = trustStage();

describe('an image that does not want to', () => {
  const bundle = 'etc/ssl/certs/ca-certificates.crt';

  test.each([
    [
      'a device',
      async () => commandOutput('mknod', [join(stage.root, bundle), 'c', '1', '3']),
      'Invalid argument',
    ],
    ['a pipe', async () => commandOutput('mkfifo', [join(stage.root, bundle)]), 'Invalid argument'],
    ['a directory', async () => mkdir(join(stage.root, bundle)), 'Is a directory'],
    ['a link to a device', async () => nodeLinkedFrom(bundle), 'Invalid argument'],
    [
      'a bundle of many megabytes',
      async () => put(stage.root, bundle, Buffer.alloc(4_194_304)),
      'File too large',
    ],
  ])('%s in place of its bundle is told, and is not written to', async (_what, make, why) => {
    await mkdir(join(stage.root, 'etc/ssl/certs'), { recursive: true });
    await make();
    expect(await stage.start(stage.ours.authority)).toBe(
      failed(stage.ours, `cannot add it to /${bundle}: ${why}`),
    );
  });

  async function nodeLinkedFrom(path: string): Promise<void> {
    await commandOutput('mknod', [join(stage.root, 'node'), 'c', '1', '3']);
    await link(stage.root, path, '/node');
  }

  test('a link onto another mount is not followed', async () => {
    await mkdir(join(stage.root, 'proc'));
    await link(stage.root, bundle, '/proc/other');
    await commandOutput('mount', ['-t', 'tmpfs', 'tmpfs', join(stage.root, 'proc')]);
    try {
      await put(stage.root, 'proc/other', 'not yours');
      expect(await stage.start(stage.ours.authority)).toBe(
        failed(stage.ours, `cannot add it to /${bundle}: Invalid cross-device link`),
      );
      expect(await textIn(stage.root, 'proc/other')).toBe('not yours');
    } finally {
      await commandOutput('umount', [join(stage.root, 'proc')]);
    }
  });

  test('links lead nowhere out of the root', async () => {
    await put(stage.directory, 'outside.pem', 'not yours');
    await link(stage.root, bundle, `../../../../../..${stage.directory}/outside.pem`);
    expect(await stage.start(stage.ours.authority)).toBe(installed(stage.ours));
    expect(await textIn(stage.directory, 'outside.pem')).toBe('not yours');
  });

  test('links in a circle, and links to nothing, are no bundle: one is made in their place', async () => {
    await link(stage.root, bundle, 'round.crt');
    await link(stage.root, 'etc/ssl/certs/round.crt', 'ca-certificates.crt');
    await link(stage.root, 'etc/ssl/cert.pem', '/gone');
    expect(await stage.start(stage.ours.authority)).toBe(installed(stage.ours));
    expect(await textIn(stage.root, bundle)).toContain(stage.ours.authority.certificate);
  });

  test('a user’s link onto a file of root’s is not followed', async () => {
    await put(stage.root, 'etc/shadow', 'secret');
    await link(stage.root, bundle, '/etc/shadow');
    await commandOutput('chown', ['-h', '1000', join(stage.root, bundle)]);
    expect(await stage.start(stage.ours.authority)).toContain('Operation not permitted');
    expect(await textIn(stage.root, 'etc/shadow')).toBe('secret');
  });

  test('a file in place of /etc is told', async () => {
    await put(stage.root, 'etc', 'a file');
    expect(await stage.start(stage.ours.authority)).toBe(
      failed(stage.ours, 'cannot make /etc/ssl/certs/ca-certificates.crt: Not a directory'),
    );
  });

  test('a full disk and a read-only one are told, and the old bundle is whole', async () => {
    await commandOutput('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', stage.root]);
    try {
      await put(stage.root, bundle, stage.web.authority.certificate);
      await runCommand('dd', ['if=/dev/zero', `of=${join(stage.root, 'filler')}`]);
      const why = 'No space left on device';
      expect(await stage.start(stage.ours.authority)).toBe(
        failed(stage.ours, `cannot add it to /${bundle}: ${why}`),
      );
      await commandOutput('mount', ['-o', 'remount,ro', stage.root]);
      expect(await stage.start(stage.ours.authority)).toContain('Read-only file system');
      expect(await textIn(stage.root, bundle)).toBe(stage.web.authority.certificate);
      expect(await readdir(join(stage.root, 'etc/ssl/certs'))).toEqual(['ca-certificates.crt']);
    } finally {
      await commandOutput('umount', [stage.root]);
    }
  });
});

test('random stores neither crash nor overrun, and writing twice is writing once', async () => {
  const seed = randomInt(1, 1_000_000);
  await put(stage.root, 'ca.pem', stage.ours.authority.certificate);
  const args = ['fuzz', join(stage.root, 'ca.pem'), String(seed), '3000'];
  const said = await commandOutput(stage.program, args).catch((error: unknown) => {
    throw new Error(`seed ${seed}`, { cause: error });
  });
  // Without stores that look like some, the reader's deeper half would not have been met.
  expect(Number(said.split(' ')[1])).toBeGreaterThan(100);
});

test.each(['debian', 'rhel'] as const)(
  'a damaged Java store of %s neither crashes nor overruns',
  async (layout) => {
    const seed = randomInt(1, 1_000_000);
    await LAYOUTS[layout](stage.root, stage.web.authority.certificate);
    const name =
      layout === 'debian' ? 'etc/ssl/certs/java/cacerts' : 'etc/pki/ca-trust/extracted/java/cacerts';
    const args = ['spoilt', join(stage.root, name), String(seed), '5000'];
    const said = await commandOutput(stage.program, args).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
    // Some are whole enough to be read, others are not: both ways were gone.
    const kept = Number(said.split(' ')[1]);
    expect(kept).toBeGreaterThan(100);
    expect(kept).toBeLessThan(4900);
  },
);
