import { readFile, unlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keyOf } from '../../../src/machine/ids.ts';
import { declaredDirectory, instanceYaml, isGone, isSound, uidOf } from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';

let place: DeclaredDirectory;

beforeEach(async () => {
  place = await declaredDirectory();
});

afterEach(async () => {
  await place.remove();
});

describe('identity', () => {
  test('uid and generation outlive the controller; an edit in between counts one', async () => {
    await place.write('web.yaml', instanceYaml('web', { env: { TOKEN: 'hunter2' } }));
    await place.open();
    const before = place.declared('web');
    await place.open();
    expect(place.declared('web')).toMatchObject({ uid: uidOf(before), generation: 1 });
    await place.close();
    await place.write('web.yaml', instanceYaml('web', { env: { TOKEN: 'hunter3' } }));
    await place.open();
    expect(place.declared('web')).toMatchObject({ uid: uidOf(before), generation: 2 });
    expect(await readFile(`${place.state}/declarations/default/web.json`, 'utf8')).not.toContain('hunter');
  });

  test('a file removed while the controller was down is a removal, until it is forgotten', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    await place.open();
    await unlink(`${place.watch}/web.yaml`);
    const source = await place.open();
    expect(isGone(place.declared('web'))).toBe(true);
    expect(source.keys()).toEqual(['default/web']);
    await source.forget(keyOf('default', 'web'));
    expect(source.keys()).toEqual([]);
    expect((await place.open()).keys()).toEqual([]);
  });

  test('declared again before the removal is done is another instance, over a restart too', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    await place.open();
    const before = place.declared('web');
    await unlink(`${place.watch}/web.yaml`);
    await place.until('web', isGone);
    await place.write('web.yaml', instanceYaml('web'));
    const after = await place.until('web', isSound);
    expect(uidOf(after)).not.toBe(uidOf(before));
    await place.source().forget(keyOf('default', 'web'));
    expect(place.declared('web')).toEqual(after);
    await place.open();
    expect(place.declared('web')).toMatchObject({ uid: uidOf(after) });
  });

  test('a damaged record costs no machine its uid', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    const source = await place.open();
    const before = place.declared('web');
    await source.report(keyOf('default', 'web'), { observedGeneration: 1, conditions: [] }, []);
    await place.close();
    await writeFile(`${place.state}/declarations/default/web.json`, '');
    await place.open();
    expect(place.declared('web')).toMatchObject({ is: 'wanted', uid: uidOf(before) });
  });
});
