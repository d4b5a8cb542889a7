import { rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
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

describe('what is doubtful keeps the last good', () => {
  const broken: readonly (readonly [string, string, string])[] = [
    ['broken YAML', 'apiVersion: [\n', ':2:'],
    ['an invalid spec', instanceYaml('web', { vcpus: 'many', colour: 'red' }), 'spec.colour'],
    ['a name that is gone', instanceYaml('web').replace('name: web', 'nam: web'), 'metadata.name'],
    ['a mistyped kind', instanceYaml('web').replace('kind: Instance', 'kind: Instanze'), 'Instanze'],
    ['a mistyped group', instanceYaml('web').replace('hypeman.dev', 'hypeman.dve'), 'hypeman.dev/v1alpha1'],
    ['no kind at all', instanceYaml('web').replace('kind: Instance\n', ''), 'kind: Instance'],
    ['nothing at all', '', 'is empty'],
    ['zeros after a crash', '\0\0\0\0\0\0', 'NUL'],
    ['no text', Buffer.from([0xff, 0xfe, 0xfd]).toString('latin1'), ''],
  ];

  test.each(broken)(
    '%s is reported and changes nothing, before and after a restart',
    async (_what, text, words) => {
      await place.write('web.yaml', instanceYaml('web', { vcpus: 3 }));
      await place.open();
      const before = place.declared('web');
      await place.write('web.yaml', text);
      const after = await place.until('web', isRefused);
      expect(after).toMatchObject({
        is: 'wanted',
        uid: uidOf(before),
        generation: 1,
        refused: { reason: 'Invalid' },
      });
      expect(vcpusOf(after)).toBe(3);
      expect(refusalOf(after)).toContain(words);
      expect(refusalOf(after)).toContain('web.yaml');
      await place.open();
      expect(place.declared('web')).toMatchObject({ is: 'held', uid: uidOf(before), generation: 1 });
      await place.write('web.yaml', instanceYaml('web', { vcpus: 5 }));
      const healed = await place.until('web', isSound);
      expect(healed).toMatchObject({ uid: uidOf(before), generation: 2 });
    },
  );

  test('a file that becomes a link to nowhere, a loop or a pipe keeps the last good', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    await place.open();
    for (const target of ['nowhere.yaml', 'web.yaml']) {
      await rm(`${place.watch}/web.yaml`);
      await symlink(target, `${place.watch}/web.yaml`);
      await place.until('web', isRefused, 'refused');
      expect(place.declared('web')).toMatchObject({ is: 'wanted' });
      await rm(`${place.watch}/web.yaml`);
      await place.write('web.yaml', instanceYaml('web'));
      await place.until('web', isSound, 'healed');
    }
  });

  test('a save by rename is not a deletion', async () => {
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1 }));
    await place.open();
    const before = place.declared('web');
    await rename(`${place.watch}/web.yaml`, `${place.watch}/web.yaml~`);
    await pause(120);
    expect(isSound(place.declared('web'))).toBe(true);
    await place.write('web.yaml', instanceYaml('web', { vcpus: 2 }));
    const after = await place.until('web', (now) => vcpusOf(now) === 2);
    expect(after).toMatchObject({ uid: uidOf(before), generation: 2 });
  });

  test('a file that is written in pieces is taken when it is whole', async () => {
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1, cmd: ['one'], tags: { a: 'b' } }));
    await place.open();
    const text = instanceYaml('web', { vcpus: 2, cmd: ['one'], tags: { a: 'b' } });
    await writeFile(`${place.watch}/web.yaml`, text.slice(0, text.indexOf('  tags')));
    await pause(100);
    expect(vcpusOf(place.declared('web'))).toBe(1);
    await writeFile(`${place.watch}/web.yaml`, text);
    const now = await place.until('web', (one) => vcpusOf(one) === 2);
    expect(now).toMatchObject({ generation: 2, instance: { spec: { tags: { a: 'b' } } } });
  });

  test('a document that leaves a file is deleted only when it stays away', async () => {
    const both = `${instanceYaml('a')}---\n${instanceYaml('b')}`;
    await place.write('both.yaml', both);
    await place.open();
    await rm(`${place.watch}/both.yaml`);
    await place.write('both.yaml', instanceYaml('a'));
    await pause(100);
    expect(isSound(place.declared('b'))).toBe(true);
    await place.write('both.yaml', both);
    await graceTwice();
    expect(place.declared('b')).toMatchObject({ is: 'wanted', generation: 1 });
    await place.write('both.yaml', instanceYaml('a'));
    await place.until('b', isGone);
    expect(isSound(place.declared('a'))).toBe(true);
  });

  test('a truncated file never deletes, however long it stays so', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    await place.open();
    await truncate(`${place.watch}/web.yaml`);
    await graceTwice();
    expect(place.declared('web')).toMatchObject({ is: 'wanted', refused: { reason: 'Invalid' } });
    await place.write('web.yaml', '# nothing wanted any more\n');
    await place.until('web', isGone);
  });
});
