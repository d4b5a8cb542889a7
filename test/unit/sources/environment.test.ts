import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keyOf } from '../../../src/machine/ids.ts';
import type { DeclaredEnvironment } from '../../../src/secrets/environment.ts';
import {
  declaredDirectory,
  graceTwice,
  instanceYaml,
  isGone,
  isSound,
  pause,
} from '../../support/declared-directory.ts';
import type { DeclaredDirectory } from '../../support/declared-directory.ts';

const WEB = keyOf('default', 'web');
let place: DeclaredDirectory;

beforeEach(async () => {
  place = await declaredDirectory();
});

afterEach(async () => {
  await place.remove();
});

function secretYaml(values: Readonly<Record<string, string>>): string {
  return `apiVersion: v1\nkind: Secret\nmetadata: { name: keys }\nstringData: ${JSON.stringify(values)}\n`;
}

function revealed(environment: DeclaredEnvironment): unknown {
  if (environment.is === 'missing') return environment.reason;
  return Object.fromEntries(
    Object.entries(environment.values).map(([name, value]) => [name, value.reveal()]),
  );
}

async function environment(): Promise<unknown> {
  return revealed(await place.source().environmentOf(WEB));
}

async function known(): Promise<unknown> {
  const found = await place.source().environmentOf(WEB);
  return found.is === 'missing' && [found.reason, revealed({ is: 'ready', values: found.values ?? {} })];
}

async function untilEnvironment(wanted: unknown): Promise<void> {
  const deadline = Date.now() + 8_000;
  while (JSON.stringify(await environment()) !== JSON.stringify(wanted)) {
    if (Date.now() > deadline) expect(await environment()).toEqual(wanted);
    await pause(10);
  }
}

describe('the environment', () => {
  test('later sources win over earlier ones, and env over all', async () => {
    await place.write('keys.yaml', secretYaml({ A: 'secret', B: 'secret', C: 'secret' }));
    await place.write('web.env', `# dotenv\nexport B="file"\nC='file'\nD=file # no\n`);
    const envFrom = [{ secretRef: { name: 'keys' } }, { fileRef: { path: 'web.env' } }];
    await place.write('web.yaml', instanceYaml('web', { envFrom, env: { C: 'env' } }));
    await place.open();
    expect(await environment()).toEqual({ A: 'secret', B: 'file', C: 'env', D: 'file' });
  });

  test('what is missing leaves the others what they are, but for those that what cannot be read may be over', async () => {
    await place.write('keys.yaml', secretYaml({ A: 'secret', B: 'secret' }));
    await place.write('web.env', 'B=file\n');
    const envFrom = [{ secretRef: { name: 'keys' } }, { fileRef: { path: 'none' } }];
    await place.write('web.yaml', instanceYaml('web', { envFrom, env: { C: 'env' } }));
    await place.open();
    expect(await known()).toEqual(['EnvFileNotFound', { A: 'secret', B: 'secret', C: 'env' }]);
    await writeFile(`${place.watch}/none`, new Uint8Array([0xff]));
    await untilEnvironment('EnvFileUnreadable');
    expect(await known()).toEqual(['EnvFileUnreadable', { C: 'env' }]);
  });

  test('what is missing is named, unless it is optional', async () => {
    await place.write('web.yaml', instanceYaml('web', { envFrom: [{ secretRef: { name: 'keys' } }] }));
    await place.open();
    expect(await environment()).toBe('SecretNotFound');
    await place.write('web.yaml', instanceYaml('web', { envFrom: [{ fileRef: { path: '../web.env' } }] }));
    await untilEnvironment('EnvFileNotFound');
    const envFrom = [{ secretRef: { name: 'keys', optional: true } }];
    await place.write('web.yaml', instanceYaml('web', { envFrom }));
    await untilEnvironment({});
  });

  test('a changed Secret is told to the instances that use it and to no other', async () => {
    await place.write('keys.yaml', secretYaml({ A: 'one' }));
    await place.write('web.yaml', instanceYaml('web', { envFrom: [{ secretRef: { name: 'keys' } }] }));
    await place.write('other.yaml', instanceYaml('other'));
    await place.open();
    await place.write('keys.yaml', secretYaml({ A: 'two' }));
    await untilEnvironment({ A: 'two' });
    await place.write('keys.yaml', 'apiVersion: v1\nkind: Secret\nmetadata: { name: keys }\nstringData: 3\n');
    await graceTwice();
    expect(await environment()).toEqual({ A: 'two' });
    await rm(`${place.watch}/keys.yaml`);
    await untilEnvironment('SecretNotFound');
    expect(new Set(place.notified)).toEqual(new Set([WEB]));
    expect(isSound(place.declared('web'))).toBe(true);
  });

  test('a dotenv file outside is watched: created, edited, saved by rename, swapped by a link', async () => {
    await place.write(
      'web.yaml',
      instanceYaml('web', { envFrom: [{ fileRef: { path: '../env/live/web.env' } }] }),
    );
    await place.open();
    expect(await environment()).toBe('EnvFileNotFound');
    for (const name of ['one', 'two']) {
      await mkdir(`${place.base}/env/${name}`, { recursive: true });
      await writeFile(`${place.base}/env/${name}/web.env`, `A=${name}\n`);
    }
    await symlink('one', `${place.base}/env/live`);
    await untilEnvironment({ A: 'one' });
    const told = place.notified.length;
    await writeFile(`${place.base}/env/one/web.env`, 'A=edited\n');
    await untilEnvironment({ A: 'edited' });
    await writeFile(`${place.base}/env/one/.new`, 'A=renamed\n');
    await rename(`${place.base}/env/one/.new`, `${place.base}/env/one/web.env`);
    await untilEnvironment({ A: 'renamed' });
    await symlink('two', `${place.base}/env/next`);
    await rename(`${place.base}/env/next`, `${place.base}/env/live`);
    await untilEnvironment({ A: 'two' });
    expect(place.notified.length).toBeGreaterThanOrEqual(told + 3);
  });

  test('a dotenv file that is being saved keeps its values', async () => {
    await place.write('web.env', 'A=1\nB=2\n');
    await place.write('web.yaml', instanceYaml('web', { envFrom: [{ fileRef: { path: 'web.env' } }] }));
    await place.open();
    await untilEnvironment({ A: '1', B: '2' });
    await rename(`${place.watch}/web.env`, `${place.watch}/web.env~`);
    await pause(60);
    expect(await environment()).toEqual({ A: '1', B: '2' });
    await place.write('web.env', 'A=1\n');
    await pause(60);
    await place.write('web.env', 'A=1\nB=3\n');
    await untilEnvironment({ A: '1', B: '3' });
  });
});

describe('the report', () => {
  const status = { observedGeneration: 1, conditions: [] };
  const path = (): string => `${place.state}/status/default/web.json`;
  const read = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(path(), 'utf8')) as Record<string, unknown>;

  test('shows the spec as declared, no value of env, and only its owner may read it', async () => {
    await place.write('web.yaml', instanceYaml('web', { size: '1GB', env: { TOKEN: 'hunter2' } }));
    const source = await place.open();
    await source.report(WEB, status, []);
    expect(await read()).toMatchObject({
      kind: 'Instance',
      metadata: { namespace: 'default', name: 'web', generation: 1 },
      spec: { image: 'docker.io/library/demo:1', size: '1GB', env: { TOKEN: '[hidden]' } },
      status,
      events: [],
    });
    expect((await stat(path())).mode & 0o777).toBe(0o600);
    expect(await readFile(path(), 'utf8')).not.toContain('hunter2');
  });

  test('is written only when it differs, and known to the next controller', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    let source = await place.open();
    await source.report(WEB, status, []);
    const before = (await stat(path())).ino;
    await source.report(WEB, status, []);
    source = await place.open();
    expect(source.lastStatus(WEB)).toEqual(status);
    await source.report(WEB, status, []);
    expect((await stat(path())).ino).toBe(before);
  });

  test('counts repeated events and keeps the last fifty', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    const source = await place.open();
    const event = (reason: string, at: number) => ({ type: 'Normal', reason, message: 'm', at }) as const;
    await source.report(WEB, status, [event('Started', 1), event('Exited', 2)]);
    await source.report(WEB, status, [event('Started', 3)]);
    expect(await read()).toMatchObject({
      events: [
        { reason: 'Exited', count: 1, at: 2 },
        { reason: 'Started', count: 2, firstAt: 1, at: 3 },
      ],
    });
    await source.report(
      WEB,
      status,
      Array.from({ length: 60 }, (_, index) => event(`Event${index}`, index)),
    );
    expect((await read()).events).toHaveLength(50);
  });

  test('outlives the declaration until it is forgotten, and is not inherited by a namesake', async () => {
    await place.write('web.yaml', instanceYaml('web'));
    const source = await place.open();
    await source.report(WEB, status, []);
    await rm(`${place.watch}/web.yaml`);
    await place.until('web', isGone);
    await source.report(WEB, { ...status, state: 'Shutdown' }, []);
    expect(await read()).toMatchObject({
      spec: { image: 'docker.io/library/demo:1' },
      status: { state: 'Shutdown' },
    });
    await place.write('web.yaml', instanceYaml('web'));
    await place.until('web', isSound);
    expect(source.lastStatus(WEB)).toBeUndefined();
    await source.forget(WEB);
    await expect(stat(path())).rejects.toThrow('ENOENT');
  });
});
