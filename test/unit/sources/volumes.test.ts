import { rename, rm, unlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyOf, volumeKeyOf } from '../../../src/machine/ids.ts';
import type { DeclaredVolume } from '../../../src/sources/source.ts';
import { declaredDirectory, graceTwice, instanceYaml, pause } from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';

let place: DeclaredDirectory;
beforeEach(async () => {
  place = await declaredDirectory();
});
afterEach(async () => {
  await place.remove();
});

const KEY = volumeKeyOf('default', 'data');

function volumeYaml(size: string, more = ''): string {
  return `apiVersion: hypeman.dev/v1alpha1\nkind: Volume\nmetadata: {name: data}\nspec: {size: ${size}${more}}\n`;
}

function declared(): DeclaredVolume {
  return place.source().volumes?.declared(KEY) ?? { is: 'gone' };
}

async function until(is: DeclaredVolume['is']): Promise<DeclaredVolume> {
  for (const end = Date.now() + 5000; declared().is !== is && Date.now() < end;) await pause(10);
  expect(declared().is).toBe(is);
  return declared();
}

test('a Volume beside an Instance is declared, with its archive beside the file', async () => {
  await place.write(
    'sub/web.yaml',
    `${instanceYaml('web')}---\n${volumeYaml('1GB', ', source: {archive: in/files.tar}')}`,
  );
  await place.open();
  expect(declared()).toMatchObject({
    is: 'wanted',
    volume: {
      spec: {
        bytes: 1024 ** 3,
        source: { from: 'archive', path: `${place.watch}/sub/in/files.tar` },
        reclaimPolicy: 'Retain',
      },
    },
  });
  expect(place.source().volumes?.keys()).toEqual([KEY]);
});

test('an instance that mounts it hears of its coming, its edit and its going', async () => {
  const volumes = [{ volume: 'data', mountPath: '/mnt/data' }];
  await place.write('web.yaml', instanceYaml('web', { volumes }));
  await place.write('other.yaml', instanceYaml('other'));
  const changed: string[] = [];
  (await place.open()).volumes?.onChange((key) => changed.push(key));
  for (const text of [volumeYaml('1GB'), volumeYaml('2GB'), undefined]) {
    place.notified.length = 0;
    changed.length = 0;
    if (text === undefined) await unlink(`${place.watch}/data.yaml`);
    else await place.write('data.yaml', text);
    for (const end = Date.now() + 5000; changed.length === 0 && Date.now() < end;) await pause(10);
    expect(changed).toEqual([KEY]);
    expect(place.notified).toEqual([keyOf('default', 'web')]);
  }
  expect(declared()).toEqual({ is: 'gone' });
});

test('a broken edit keeps the last good one, and says so', async () => {
  await place.write('data.yaml', volumeYaml('1GB'));
  await place.open();
  await place.write('data.yaml', volumeYaml('1KB'));
  for (const end = Date.now() + 5000; !JSON.stringify(declared()).includes('refused') && Date.now() < end;)
    await pause(10);
  expect(declared()).toMatchObject({
    is: 'wanted',
    volume: { spec: { bytes: 1024 ** 3 } },
    refused: { reason: 'Invalid', message: expect.stringContaining('spec.size') as string },
  });
});

test('a directory that is lost deletes no volume, not even over a restart', async () => {
  await place.write('data.yaml', volumeYaml('1GB'));
  await place.open();
  await rename(place.watch, `${place.base}/elsewhere`);
  await graceTwice();
  expect(declared().is).toBe('wanted');
  await place.open();
  expect(declared()).toMatchObject({ is: 'held', refused: { reason: 'SourceLost' } });
  await rename(`${place.base}/elsewhere`, place.watch);
  await until('wanted');
});

test('a directory that is watched no longer holds its volumes; with pruneAll they are gone', async () => {
  await place.write('data.yaml', volumeYaml('1GB'));
  await place.open();
  const elsewhere = { directories: [`${place.base}/other`] };
  await place.open(elsewhere);
  expect(declared().is).toBe('held');
  await rm(place.watch, { recursive: true });
  await place.open({ ...elsewhere, pruneAll: true });
  expect(declared().is).toBe('gone');
});

test('a removal while no controller ran is a removal', async () => {
  await place.write('data.yaml', volumeYaml('1GB'));
  await place.write('web.yaml', instanceYaml('web'));
  await place.open();
  await place.close();
  await unlink(`${place.watch}/data.yaml`);
  await place.open();
  await until('gone');
});

test.each([
  ['all of it', '{"half'],
  ['one entry', '{"Volume/default/data": {"file": "web.yaml"}}'],
])('with the memory of places damaged, nobody can say that a volume is gone: %s', async (_, text) => {
  await place.write('web.yaml', instanceYaml('web'));
  await place.open();
  await place.close();
  await writeFile(`${place.state}/declarations/volumes.json`, text);
  await place.open();
  expect(declared()).toMatchObject({ is: 'held', refused: { reason: 'SourceLost' } });
});
