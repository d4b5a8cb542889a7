import { rm, unlink } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import {
  declaredDirectory,
  graceTwice,
  instanceYaml,
  isGone,
  isSound,
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

describe('what is declared', () => {
  test('files, subdirectories, several documents and lists are all found, other kinds are not', async () => {
    await place.write('one.yaml', `# a comment\n---\n${instanceYaml('a')}---\n---\n${instanceYaml('b')}`);
    await place.write('deep/er/two.yml', instanceYaml('c'));
    await place.write(
      'three.json',
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [JSON.parse(json('d'))] }),
    );
    await place.write(
      'kustomization.yaml',
      'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n',
    );
    await place.write('README.md', instanceYaml('not-me'));
    await place.write('.hidden.yaml', instanceYaml('nor-me'));
    await place.write('.git/x.yaml', instanceYaml('nor-me-either'));
    const source = await place.open();
    expect([...source.keys()].sort()).toEqual(['default/a', 'default/b', 'default/c', 'default/d']);
    for (const name of ['a', 'b', 'c', 'd']) expect(isSound(place.declared(name))).toBe(true);
  });

  test('a file, an edit and a removal are told as they happen', async () => {
    await place.open();
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1 }));
    const first = await place.until('web', isSound);
    await place.write('web.yaml', instanceYaml('web', { vcpus: 4 }));
    const second = await place.until('web', (now) => vcpusOf(now) === 4);
    expect(second).toMatchObject({ uid: uidOf(first), generation: 2 });
    await unlink(`${place.watch}/web.yaml`);
    await place.until('web', isGone);
    expect(place.notified.filter((key) => key === 'default/web').length).toBe(3);
  });

  test('new subdirectories are watched, also one that replaces another of its name', async () => {
    await place.open();
    for (let round = 1; round <= 4; round += 1) {
      await place.write('sub/deeper/web.yaml', instanceYaml('web', { vcpus: round }));
      await place.until('web', (now) => vcpusOf(now) === round, `seen in round ${round}`);
      await rm(`${place.watch}/sub`, { recursive: true });
    }
  });

  test('a new annotation is told, and is no new generation', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    await place.open();
    await place.write(
      'web.yaml',
      instanceYaml('web').replace('  name: web', '  name: web\n  annotations: {a: "1"}'),
    );
    const now = await place.until('web', (one) => one.is === 'wanted' && one.instance.annotations.a === '1');
    expect(now).toMatchObject({ generation: 1 });
  });

  test('a reformatted file is neither told nor a new generation', async () => {
    await place.write('web.yaml', instanceYaml('web', { vcpus: 1, size: '1GB' }));
    await place.open();
    await place.write('web.yaml', `# changed\n${instanceYaml('web', { size: '1GB', vcpus: 1 })}\n\n`);
    await graceTwice();
    expect(place.notified).toEqual([]);
    expect(place.declared('web')).toMatchObject({ is: 'wanted', generation: 1 });
  });
});

function json(name: string): string {
  return JSON.stringify({
    apiVersion: 'hypeman.dev/v1alpha1',
    kind: 'Instance',
    metadata: { name },
    spec: { image: 'demo' },
  });
}
