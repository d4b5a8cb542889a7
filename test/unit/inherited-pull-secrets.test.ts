import { expect, test } from 'vitest';
import { keyOf } from '../../src/machine/ids.ts';
import { aFork } from '../support/forks.ts';
import { InheritanceStage } from '../support/inheritance-stage.ts';
import { anInstance } from '../support/worlds.ts';

const BASE = { ...anInstance({ imagePullSecrets: ['team'] }), name: 'base' };

async function shown(stage: InheritanceStage, name: string): Promise<readonly string[]> {
  const secrets = await stage.inherited.source.pullSecretsOf(keyOf('default', name));
  return secrets.is === 'ready' ? secrets.configs.map((one) => one.reveal()) : [secrets.message];
}

test('a fork, and a fork of it, show the registry what their source shows now', async () => {
  const stage = new InheritanceStage();
  stage.source.declare(BASE);
  stage.source.declare(aFork('copy', 'base'));
  stage.source.declare(aFork('again', 'copy'));
  await stage.fork('copy', 'base');
  expect(await shown(stage, 'copy')).toEqual(['team']);
  expect(await shown(stage, 'again')).toEqual(['team']);
  stage.source.declare({ ...BASE, spec: { ...BASE.spec, imagePullSecrets: ['new-team'] } });
  expect(await shown(stage, 'copy')).toEqual(['new-team']);
});

test('one that names its own shows those, and one whose source is gone shows none', async () => {
  const stage = new InheritanceStage();
  const base = stage.source.declare(BASE);
  stage.source.declare(aFork('own', 'base', { imagePullSecrets: ['mine'] }));
  stage.source.declare(aFork('copy', 'base'));
  await stage.fork('copy', 'base');
  expect(await shown(stage, 'own')).toEqual(['mine']);
  stage.source.remove(base);
  expect(await shown(stage, 'copy')).toEqual([]);
});

test('those that are forks of each other ask nobody for ever', async () => {
  const stage = new InheritanceStage();
  stage.source.declare(aFork('one', 'other'));
  stage.source.declare(aFork('other', 'one'));
  expect(await shown(stage, 'one')).toEqual([]);
});
