import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commandOutput } from '../../../src/host/exec.ts';
import {
  declaredDirectory,
  graceTwice,
  instanceYaml,
  isGone,
  isRefused,
  isSound,
  pause,
  refusalOf,
  uidOf,
  vcpusOf,
} from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';

/** What people really save files with. */
let place: DeclaredDirectory;

beforeEach(async () => {
  place = await declaredDirectory();
});

afterEach(async () => {
  await place.remove();
});

describe('editors', () => {
  test.each(['nobackup nowritebackup', 'backup writebackup backupcopy=no', 'backup backupcopy=yes'])(
    'vim with "set %s" saves an edit, and never deletes',
    async (settings) => {
      await place.write('web.yaml', instanceYaml('web', { vcpus: 1 }));
      await place.open();
      const uid = uidOf(place.declared('web'));
      for (const vcpus of [2, 3, 4]) {
        const args = ['-u', 'NONE', '-es', '-c', `set ${settings} swapfile directory=.`];
        const edit = ['-c', `%s/vcpus: .*/vcpus: ${vcpus}/`, '-c', 'wq', 'web.yaml'];
        await commandOutput('vim', [...args, ...edit], { cwd: place.watch, env: { TERM: 'dumb' } });
        const now = await place.until('web', (one) => vcpusOf(one) === vcpus, `at ${vcpus}`);
        expect(now).toMatchObject({ uid, generation: vcpus });
      }
      await graceTwice();
      expect(place.source().keys()).toEqual(['default/web']);
      expect(place.notified).toHaveLength(3);
    },
  );

  test('sed -i, and a shell that writes in pieces', async () => {
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1, tags: { a: 'b' } }));
    await place.open();
    await commandOutput('sed', ['-i', 's/vcpus: .*/vcpus: 2/', `${place.watch}/web.yaml`]);
    await place.until('web', (one) => vcpusOf(one) === 2);
    const script =
      'head -n 6 new > web.yaml; sleep 0.1; printf "  vc" >> web.yaml; sleep 0.1; cat new > web.yaml';
    await writeFile(`${place.base}/new`, instanceYaml('web', { vcpus: 3, tags: { a: 'b' } }));
    await commandOutput('sh', ['-c', script.replaceAll('new', '../new')], { cwd: place.watch });
    await place.until('web', (one) => vcpusOf(one) === 3);
    await graceTwice();
    expect(place.declared('web')).toMatchObject({ generation: 3, instance: { spec: { tags: { a: 'b' } } } });
  });
});

describe('copies and checkouts', () => {
  test.each([['--inplace'], ['--delay-updates'], ['--delete', '-c']])('rsync %s', async (...flags) => {
    const from = `${place.base}/from`;
    await mkdir(`${from}/team`, { recursive: true });
    const sync = async (vcpus: number): Promise<void> => {
      await writeFile(`${from}/web.yaml`, instanceYaml('web', { vcpus }));
      await writeFile(`${from}/team/db.yaml`, instanceYaml('db', { vcpus }));
      await commandOutput('rsync', ['-a', '-I', ...flags, `${from}/`, `${place.watch}/`]);
    };
    await place.open();
    for (const vcpus of [1, 2, 3]) {
      await sync(vcpus);
      for (const name of ['web', 'db']) {
        const now = await place.until(name, (one) => vcpusOf(one) === vcpus, `at ${vcpus}`);
        expect(now).toMatchObject({ generation: vcpus });
      }
    }
    await rm(`${from}/team`, { recursive: true });
    await sync(3).catch(() => undefined);
    await rm(`${from}/team`, { recursive: true, force: true });
    await commandOutput('rsync', ['-a', '--delete', `${from}/`, `${place.watch}/`]);
    await place.until('db', isGone);
    expect(isSound(place.declared('web'))).toBe(true);
  });

  test('git: a checkout of another branch is its edits and removals, and back again', async () => {
    const git = (...args: string[]): Promise<string> =>
      commandOutput('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], {
        cwd: place.watch,
      });
    await git('init', '-q', '-b', 'main');
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1 }));
    await place.write('team/db.yaml', instanceYaml('db'));
    await git('add', '.');
    await git('commit', '-q', '-m', 'one');
    await git('checkout', '-q', '-b', 'other');
    await git('rm', '-q', '-r', 'team');
    await place.write('web.yaml', instanceYaml('web', { vcpus: 2 }));
    await place.write('new/thing.yaml', instanceYaml('thing'));
    await git('add', '.');
    await git('commit', '-q', '-m', 'two');
    await git('checkout', '-q', 'main');
    await place.open();
    const uid = uidOf(place.declared('db'));
    await git('checkout', '-q', 'other');
    await git('checkout', '-q', 'main');
    await graceTwice();
    expect(place.declared('db')).toMatchObject({ is: 'wanted', uid });
    await git('checkout', '-q', 'other');
    await place.until('thing', isSound);
    await place.until('db', isGone);
    expect(vcpusOf(place.declared('web'))).toBe(2);
    await git('checkout', '-q', 'main');
    await place.until('db', isSound);
    await place.until('thing', isGone);
  });

  test('a merge conflict left in a file keeps the last good', async () => {
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1 }));
    await place.open();
    const text = instanceYaml('web', { vcpus: 1 });
    await place.write(
      'web.yaml',
      text.replace('  vcpus: 1\n', '<<<<<<< HEAD\n  vcpus: 1\n=======\n  vcpus: 2\n>>>>>>> other\n'),
    );
    const refused = await place.until('web', isRefused);
    expect(vcpusOf(refused)).toBe(1);
    expect(refusalOf(refused)).toMatch(/web\.yaml:\d+:\d+: /);
  });
});

describe('mounts', () => {
  const mount = (...args: string[]): Promise<string> => commandOutput('mount', args);

  test('an unmounted disk deletes nothing, and its return is noticed', async () => {
    await mount('-t', 'tmpfs', 'hypeman-test', place.watch);
    try {
      await place.write('web.yaml', instanceYaml('web'));
      await place.open();
      const before = place.declared('web');
      await mkdir(`${place.base}/aside`);
      await commandOutput('mount', ['--bind', place.watch, `${place.base}/aside`]);
      await commandOutput('umount', [place.watch]);
      await place.until('web', isRefused);
      expect(place.declared('web')).toMatchObject({ is: 'wanted', refused: { reason: 'SourceLost' } });
      await place.open();
      expect(place.declared('web')).toMatchObject({ is: 'held', uid: uidOf(before) });
      await mount('--bind', `${place.base}/aside`, place.watch);
      const back = await place.until('web', isSound);
      expect(back).toMatchObject({ uid: uidOf(before), generation: 1 });
      await place.write('web.yaml', instanceYaml('web', { vcpus: 5 }));
      await place.until('web', (one) => vcpusOf(one) === 5);
    } finally {
      await place.close();
      await commandOutput('umount', [`${place.base}/aside`]).catch(() => undefined);
      await commandOutput('umount', [place.watch]).catch(() => undefined);
    }
  });

  test('a mount over the directory is noticed too', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    await place.open();
    await mount('-t', 'tmpfs', 'hypeman-test', place.watch);
    try {
      await place.until('web', isRefused);
    } finally {
      await commandOutput('umount', [place.watch]);
    }
    await place.until('web', isSound);
    await pause(500);
    expect(isSound(place.declared('web'))).toBe(true);
  });

  test('a full disk truncates a file and the machine stays', async () => {
    await mount('-t', 'tmpfs', '-o', 'size=64k', 'hypeman-test', place.watch);
    try {
      await place.write('web.yaml', instanceYaml('web'));
      await place.open();
      await commandOutput('sh', ['-c', 'head -c 60k /dev/zero > fill; cp /etc/services web.yaml'], {
        cwd: place.watch,
      }).catch(() => undefined);
      const refused = await place.until('web', isRefused);
      expect(refused.is).toBe('wanted');
    } finally {
      await place.close();
      await commandOutput('umount', [place.watch]);
    }
  });
});

test('a directory that is replaced while nobody looks is read anew', async () => {
  await place.write('web.yaml', instanceYaml('web', { vcpus: 1 }));
  await place.open();
  await mkdir(`${place.base}/next`);
  await writeFile(`${place.base}/next/web.yaml`, instanceYaml('web', { vcpus: 2 }));
  await rename(place.watch, `${place.base}/old`);
  await rename(`${place.base}/next`, place.watch);
  const now = await place.until('web', (one) => vcpusOf(one) === 2 && isSound(one));
  expect(now).toMatchObject({ generation: 2 });
  await place.write('web.yaml', instanceYaml('web', { vcpus: 3 }));
  await place.until('web', (one) => vcpusOf(one) === 3);
});
