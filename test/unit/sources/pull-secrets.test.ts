import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { keyOf } from '../../../src/machine/ids.ts';
import { declaredDirectory, instanceYaml, pause } from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';

const WEB = keyOf('default', 'web');
let place: DeclaredDirectory;

beforeEach(async () => {
  place = await declaredDirectory();
});
afterEach(async () => {
  await place.remove();
});

function secretYaml(name: string, stringData: Readonly<Record<string, string>>): string {
  return JSON.stringify({
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name } },
    ...{ type: 'kubernetes.io/dockerconfigjson', stringData },
  });
}

async function found(): Promise<unknown> {
  const secrets = await place.source().pullSecretsOf(WEB);
  return secrets.is === 'missing' ? secrets.reason : secrets.configs.map((one) => one.reveal());
}

async function until(wanted: unknown): Promise<void> {
  const deadline = Date.now() + 8_000;
  while (JSON.stringify(await found()) !== JSON.stringify(wanted)) {
    if (Date.now() > deadline) expect(await found()).toEqual(wanted);
    await pause(10);
  }
}

const NAMED = { imagePullSecrets: [{ name: 'first' }, { name: 'second' }] };

test('the Secrets that an instance names are found in their order, of both types', async () => {
  await place.write('second.json', secretYaml('second', { '.dockercfg': '{"b":{}}' }));
  await place.write('first.json', secretYaml('first', { '.dockerconfigjson': '{"auths":{}}' }));
  await place.write('web.yaml', instanceYaml('web', NAMED));
  await place.open();
  expect(await found()).toEqual(['{"auths":{}}', '{"b":{}}']);
});

test('an instance that names none has none', async () => {
  await place.write('web.yaml', instanceYaml('web', {}));
  await place.open();
  expect(await found()).toEqual([]);
});

test('one that is missing is said, and the instance hears of it when it comes, changes and goes', async () => {
  await place.write('web.yaml', instanceYaml('web', { imagePullSecrets: [{ name: 'first' }] }));
  await place.open();
  expect(await found()).toBe('SecretNotFound');
  for (const config of ['{"auths":{}}', '{"auths":{"a":{}}}']) {
    place.notified.length = 0;
    await place.write('first.json', secretYaml('first', { '.dockerconfigjson': config }));
    await until([config]);
    expect(place.notified).toContain(WEB);
  }
  await rm(`${place.watch}/first.json`);
  await until('SecretNotFound');
});

test('one of another type is said, without a word of it', async () => {
  await place.write('first.json', secretYaml('first', { TOKEN: 'hunter2' }));
  await place.write('web.yaml', instanceYaml('web', { imagePullSecrets: [{ name: 'first' }] }));
  await place.open();
  const secrets = await place.source().pullSecretsOf(WEB);
  expect(secrets).toMatchObject({ is: 'missing', reason: 'KeyMissing' });
  expect(JSON.stringify(secrets)).toContain('.dockerconfigjson');
  expect(JSON.stringify(secrets)).not.toContain('hunter2');
});
