import { describe, expect, test } from 'vitest';
import { putPolicy } from '../../../src/act/put-policy.ts';
import type { Hands } from '../../../src/act/hands.ts';
import { fillPolicy } from '../../../src/egress/fill-policy.ts';
import type { Policy } from '../../../src/egress/policy.ts';
import { revisionOf } from '../../../src/egress/revision.ts';
import type { PolicyShape } from '../../../src/machine/egress.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { IDENTITY, KEY, aRecord } from '../../support/worlds.ts';

const SHAPE: PolicyShape = {
  instance: IDENTITY.id,
  key: KEY,
  guest: IDENTITY.ip,
  gateway: IDENTITY.gateway,
  mode: 'all',
  generation: 1,
  grants: [
    {
      credential: 'TOKEN',
      sourceEnv: 'REAL',
      hosts: ['api.example.com'],
      header: 'authorization',
      format: 'Bearer ${value}',
      when: 'always',
      placeholder: 'mock-TOKEN',
    },
  ],
};

function revisionWith(value: string): string {
  const { policy } = fillPolicy(SHAPE, { is: 'ready', values: { REAL: new Secret(value) } });
  return revisionOf(policy, IDENTITY.salt);
}

type Stage = { readonly hands: Hands; readonly put: Policy[] };

function stage(value: string): Stage {
  const put: Policy[] = [];
  const hands = {
    storage: { recordOf: () => aRecord() },
    environmentOf: () => Promise.resolve({ is: 'ready', values: { REAL: new Secret(value) } }),
    egress: {
      put: (policy: Policy) => {
        put.push(policy);
        return Promise.resolve();
      },
    },
  };
  return { hands: hands as unknown as Hands, put };
}

describe('putting a policy in force', () => {
  test('the planned values are put', async () => {
    const { hands, put } = stage('one');
    await putPolicy(hands, { kind: 'put-policy', policy: SHAPE, revision: revisionWith('one') });
    expect(put.map(({ grants }) => grants.map(({ value }) => value?.reveal()))).toEqual([['one']]);
  });

  test('values that changed since they were looked at are not: the next look sees them', async () => {
    const { hands, put } = stage('two');
    const planned = { kind: 'put-policy', policy: SHAPE, revision: revisionWith('one') } as const;
    await expect(putPolicy(hands, planned)).rejects.toMatchObject({ reason: 'EnvironmentChanged' });
    expect(put).toEqual([]);
  });
});
