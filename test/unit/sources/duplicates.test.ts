import { rename, unlink } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import {
  declaredDirectory,
  graceTwice,
  instanceYaml,
  isRefused,
  isSound,
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

describe('duplicates', () => {
  test('both places are named, the one in force stays, and it heals', async () => {
    await place.write('a.yaml', instanceYaml('web', { vcpus: 1 }));
    await place.open();
    await place.write('b.yaml', instanceYaml('web', { vcpus: 8 }));
    const refused = await place.until('web', isRefused);
    expect(vcpusOf(refused)).toBe(1);
    expect(refusalOf(refused)).toContain('a.yaml:1:1');
    expect(refusalOf(refused)).toContain('b.yaml:1:1');
    await unlink(`${place.watch}/a.yaml`);
    const other = await place.until('web', isSound);
    expect(vcpusOf(other)).toBe(8);
    expect(other).toMatchObject({ uid: uidOf(refused), generation: 2 });
  });

  test('with none in force neither wins', async () => {
    await place.write('a.yaml', `${instanceYaml('web')}---\n${instanceYaml('web')}`);
    await place.open();
    expect(place.declared('web')).toMatchObject({ is: 'held', generation: 0 });
    expect(refusalOf(place.declared('web'))).toMatch(/a\.yaml:1:1.*a\.yaml:\d+:1/);
  });

  test('a moved file is the same instance and never a duplicate', async () => {
    await place.write('a.yaml', instanceYaml('web'));
    await place.open();
    const before = place.declared('web');
    await rename(`${place.watch}/a.yaml`, `${place.watch}/z.yaml`);
    await graceTwice();
    expect(place.declared('web')).toEqual(before);
    expect(place.notified.length).toBeLessThanOrEqual(1);
  });
});
