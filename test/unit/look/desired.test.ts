import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../../src/api/instance.ts';
import type { Declarations } from '../../../src/look/eyes.ts';
import { desiredOf } from '../../../src/look/desired.ts';
import type { Wanted } from '../../../src/plan/world.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { IDENTITY, KEY, anInstance } from '../../support/worlds.ts';

const CANARY = 'the-real-value';

const CREDENTIALS = {
  TOKEN: {
    sourceEnv: 'REAL',
    inject: [
      { hosts: ['api.example.com'], header: 'Authorization', format: 'Bearer ${value}', when: 'always' },
    ],
  },
} as const;

function declaring(
  values: Readonly<Record<string, string>>,
  generation = 1,
  spec: Partial<InstanceSpec> = {},
): Declarations {
  const instance = anInstance({
    network: { enabled: true, egress: { enabled: true, mode: 'all' } },
    credentials: CREDENTIALS,
    ...spec,
  });
  const secrets = Object.entries(values).map(([name, value]) => [name, new Secret(value)] as const);
  return {
    declared: () => ({ is: 'wanted', uid: 'uid-1', generation, instance }),
    pullSecretsOf: () => Promise.resolve({ is: 'ready', configs: [] }),
    environmentOf: () => Promise.resolve({ is: 'ready', values: Object.fromEntries(secrets) }),
  };
}

async function seen(declarations: Declarations): Promise<Wanted> {
  const desired = await desiredOf(declarations, KEY, IDENTITY);
  if (desired.is !== 'wanted') throw new Error(`it is ${desired.is}`);
  return desired;
}

describe('what is looked at of credentials', () => {
  test('no value enters the World, whatever prints it', async () => {
    const desired = await seen(declaring({ REAL: CANARY, PORT: '80' }));
    expect(desired.credentials.is).toBe('ready');
    expect(JSON.stringify(desired)).not.toContain(CANARY);
  });

  test('the guest part of the environment has the placeholder and not the source', async () => {
    const { environment } = await seen(declaring({ REAL: CANARY, PORT: '80' }));
    expect(environment.is === 'ready' && Object.keys(environment.digests).sort()).toEqual(['PORT', 'TOKEN']);
  });

  test('another value is another revision, and no other environment of the guest', async () => {
    const before = await seen(declaring({ REAL: CANARY }));
    const after = await seen(declaring({ REAL: 'rotated' }));
    expect(after.credentials).not.toEqual(before.credentials);
    expect(after.environment).toEqual(before.environment);
  });

  test('an edit elsewhere is the same revision', async () => {
    const before = await seen(declaring({ REAL: CANARY }, 1));
    const after = await seen(declaring({ REAL: CANARY, OTHER: 'x' }, 2));
    expect(after.credentials).toEqual(before.credentials);
  });

  test("what a fork declares under the name of its source's secret is told to go nowhere, by its name", async () => {
    const values = { REAL: CANARY, OTHER: CANARY, PORT: '80' };
    const { environment } = await seen(declaring(values, 1, { withheld: ['OTHER', 'REAL', 'UNSAID'] }));
    expect(environment).toMatchObject({ is: 'ready', idle: ['OTHER'] });
    const own = await seen(declaring(values));
    expect(own.environment).not.toHaveProperty('idle');
  });

  test('a value that is missing holds up neither another value nor a rule', async () => {
    const two = { credentials: { ...CREDENTIALS, OTHER: { ...CREDENTIALS.TOKEN, sourceEnv: 'OTHER_REAL' } } };
    const before = await seen(declaring({ OTHER_REAL: 'one' }, 1, two));
    const rotated = await seen(declaring({ OTHER_REAL: 'two' }, 1, two));
    const revoked = await seen(declaring({ OTHER_REAL: 'one' }, 1));
    for (const { credentials } of [before, rotated, revoked]) expect(credentials.is).toBe('missing');
    expect(before.credentials).toMatchObject({ digests: { OTHER: expect.any(String) as string } });
    const revisions = [before, rotated, revoked].map(
      ({ credentials }) => credentials.is === 'missing' && credentials.revision,
    );
    expect(new Set(revisions).size).toBe(3);
  });

  test('a source that is nowhere is told by its name', async () => {
    const { credentials } = await seen(declaring({ PORT: '80' }));
    expect(credentials).toMatchObject({ is: 'missing', reason: 'KeyMissing' });
    expect(credentials.is === 'missing' && credentials.message).toContain('REAL');
  });
});
