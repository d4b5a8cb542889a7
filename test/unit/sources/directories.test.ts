import { mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

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

let place: DeclaredDirectory;

beforeEach(async () => {
  place = await declaredDirectory();
});

afterEach(async () => {
  await place.remove();
});

describe('the directory itself', () => {
  test.each(['removed', 'moved away', 'replaced by an empty one'])(
    '%s: nothing is deleted until it is back',
    async (how) => {
      await place.write('a.yaml', instanceYaml('a'));
      await place.write('b.yaml', instanceYaml('b'));
      await place.open();
      const before = [place.declared('a'), place.declared('b')];
      if (how === 'removed') await rm(place.watch, { recursive: true });
      else await rename(place.watch, `${place.base}/elsewhere`);
      if (how.startsWith('replaced')) await mkdir(place.watch);
      const lost = await place.until('a', isRefused, 'lost');
      expect(lost).toMatchObject({ is: 'wanted', refused: { reason: 'SourceLost' } });
      await graceTwice();
      expect(place.declared('b')).toMatchObject({ is: 'wanted', refused: { reason: 'SourceLost' } });
      await place.open();
      expect(place.declared('a')).toMatchObject({
        is: 'held',
        uid: uidOf(lost),
        refused: { reason: 'SourceLost' },
      });
      await place.write('a.yaml', instanceYaml('a'));
      await place.until('a', isSound, 'back');
      await pause(100);
      await place.write('b.yaml', instanceYaml('b'));
      await place.until('b', isSound, 'back');
      expect([place.declared('a'), place.declared('b')]).toMatchObject(
        before.map((one) => ({ uid: uidOf(one), generation: 1 })),
      );
    },
  );

  test('a removal that takes its time deletes nothing on the way', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) await place.write(`${name}.yaml`, instanceYaml(name));
    await place.open();
    for (const name of names) {
      await unlink(`${place.watch}/${name}.yaml`);
      await pause(100);
    }
    await rm(place.watch, { recursive: true });
    await graceTwice();
    for (const name of names)
      expect(place.declared(name)).toMatchObject({ is: 'wanted', refused: { reason: 'SourceLost' } });
  });

  test('with pruneAll at the start what is lost is gone', async () => {
    await place.write('a.yaml', instanceYaml('a'));
    await place.open();
    await rm(place.watch, { recursive: true });
    await place.open({ pruneAll: true });
    expect(isGone(place.declared('a'))).toBe(true);
  });

  test('files removed from a directory that stays are deletions, also the last one', async () => {
    await place.write('a.yaml', instanceYaml('a'));
    await place.write('b.yaml', instanceYaml('b'));
    await place.open();
    await unlink(`${place.watch}/a.yaml`);
    await unlink(`${place.watch}/b.yaml`);
    await place.until('a', isGone);
    await place.until('b', isGone);
  });

  test('a directory that is no longer on the command line holds what it declared', async () => {
    await place.write('a.yaml', instanceYaml('a'));
    await place.open();
    await mkdir(`${place.base}/other`);
    await place.open({ directories: [`${place.base}/other`] });
    expect(place.declared('a')).toMatchObject({ is: 'held', refused: { reason: 'SourceLost' } });
    expect(refusalOf(place.declared('a'))).toContain('no longer watched');
  });

  test('a single file can be watched, and one that appears later', async () => {
    await place.open({ directories: [`${place.watch}/web.yaml`] });
    await place.write('other.yaml', instanceYaml('other'));
    await place.write('web.yaml', instanceYaml('web'));
    await place.until('web', isSound);
    expect(isGone(place.declared('other'))).toBe(true);
    await unlink(`${place.watch}/web.yaml`);
    await place.until('web', isGone);
  });

  test('a ConfigMap volume: the swap of ..data is one edit, and nothing is read twice', async () => {
    const version = async (name: string, vcpus: number): Promise<void> => {
      await mkdir(`${place.watch}/..${name}`);
      await writeFile(`${place.watch}/..${name}/web.yaml`, instanceYaml('web', { vcpus }));
    };
    await version('one', 1);
    await symlink('..one', `${place.watch}/..data`);
    await symlink('..data/web.yaml', `${place.watch}/web.yaml`);
    await place.open();
    expect(isSound(place.declared('web'))).toBe(true);
    await version('two', 2);
    await symlink('..two', `${place.watch}/..data_tmp`);
    await rename(`${place.watch}/..data_tmp`, `${place.watch}/..data`);
    const now = await place.until('web', (one) => vcpusOf(one) === 2);
    expect(now).toMatchObject({ generation: 2 });
    await rm(`${place.watch}/..one`, { recursive: true });
    await graceTwice();
    expect(isSound(place.declared('web'))).toBe(true);
  });

  test('a watched link that is swapped, as git-sync does, and a link to a file elsewhere', async () => {
    await mkdir(`${place.base}/v1`);
    await mkdir(`${place.base}/v2`);
    await writeFile(`${place.base}/v1/web.yaml`, instanceYaml('web', { vcpus: 1 }));
    await writeFile(`${place.base}/v2/web.yaml`, instanceYaml('web', { vcpus: 2 }));
    await writeFile(`${place.base}/far.yaml`, instanceYaml('far', { vcpus: 1 }));
    await symlink(`../far.yaml`, `${place.base}/v1/far.yaml`);
    await symlink(`../far.yaml`, `${place.base}/v2/far.yaml`);
    await symlink('v1', `${place.base}/live`);
    await place.open({ directories: [`${place.base}/live`] });
    const before = place.declared('web');
    await symlink('v2', `${place.base}/live.new`);
    await rename(`${place.base}/live.new`, `${place.base}/live`);
    const after = await place.until('web', (now) => vcpusOf(now) === 2);
    expect(after).toMatchObject({ uid: uidOf(before), generation: 2 });
    await writeFile(`${place.base}/far.yaml`, instanceYaml('far', { vcpus: 7 }));
    await place.until('far', (now) => vcpusOf(now) === 7);
  });
});
