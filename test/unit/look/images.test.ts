import { describe, expect, test } from 'vitest';
import type { InstanceSpec } from '../../../src/api/instance.ts';
import { createVolume, pullImage } from '../../../src/act/pull-image.ts';
import type { ImageQuery } from '../../../src/images/image-store.ts';
import { seeImages } from '../../../src/look/images.ts';
import { volumeId, volumeKeyOf } from '../../../src/machine/ids.ts';
import type { ImageState } from '../../../src/machine/image.ts';
import type { Action } from '../../../src/plan/action.ts';
import { plan } from '../../../src/plan/plan.ts';
import type { World } from '../../../src/plan/world.ts';
import type { PullSecrets } from '../../../src/secrets/pull-secrets.ts';
import { Secret } from '../../../src/secrets/secret.ts';
import { aRecord, freshWorld, imageOf, pinned, wanted } from '../../support/worlds.ts';

const REFERENCE = 'docker.io/library/nginx:1.27';
const MISSING: PullSecrets = { is: 'missing', reason: 'SecretNotFound', message: 'there is no Secret team' };
const RIGHT: PullSecrets = { is: 'ready', configs: [new Secret('right')] };
const WRONG: PullSecrets = { is: 'ready', configs: [new Secret('wrong')] };

/** A private registry: it gives to who shows the right credentials. What is pinned is here already. */
function look({ digest, credentials = [] }: ImageQuery): Promise<ImageState> {
  const isHere = digest !== undefined || credentials.some((one) => one.reveal() === 'right');
  return Promise.resolve(isHere ? imageOf(REFERENCE) : { state: 'absent' });
}

async function seen(secrets: PullSecrets, record = aRecord()): Promise<World> {
  const world = freshWorld({ record, desired: wanted({ imagePullSecrets: ['team'] }) });
  const eyes = { images: { look }, declarations: { pullSecretsOf: () => Promise.resolve(secrets) } };
  return { ...world, ...(await seeImages(eyes, world.key, world.desired, record)) };
}

describe('an instance that names pull secrets', () => {
  test('sees an image as those see it who show them', async () => {
    expect((await seen(RIGHT)).image.state).toBe('ready');
    expect((await seen(WRONG)).image.state).toBe('absent');
  });

  test('waits for one that is missing, and says for which', async () => {
    const { actions, verdict, reason, message } = plan(await seen(MISSING));
    expect({ actions, verdict, reason, message }).toEqual({
      ...{ actions: [], verdict: 'waiting' },
      ...{ reason: 'SecretNotFound', message: 'there is no Secret team' },
    });
  });

  test('runs what is here already without them', async () => {
    expect((await seen(MISSING, aRecord({ image: pinned(REFERENCE) }))).image.state).toBe('ready');
  });

  test('is named by the pull, which holds no value', async () => {
    const { actions } = plan(await seen(WRONG));
    expect(actions).toEqual([{ kind: 'pull-image', reference: REFERENCE, secretsOf: freshWorld().key }]);
    expect(JSON.stringify(await seen(RIGHT))).not.toContain('right');
  });
});

describe('the pull', () => {
  type Pull = Extract<Action, { kind: 'pull-image' }>;
  const BY_SECRET: Pull = { kind: 'pull-image', reference: REFERENCE, secretsOf: freshWorld().key };

  async function asked(action: Pull, secrets: PullSecrets): Promise<readonly ImageQuery[]> {
    const queries: ImageQuery[] = [];
    const pull = (query: ImageQuery): void => {
      queries.push(query);
    };
    await pullImage({ images: { pull }, pullSecretsOf: () => Promise.resolve(secrets) }, action);
    return queries;
  }

  test('shows what the Secrets hold now, and nothing where none are named', async () => {
    const [query] = await asked(BY_SECRET, RIGHT);
    expect(query?.credentials?.map((one) => one.reveal())).toEqual(['right']);
    expect(await asked({ kind: 'pull-image', ...pinned() }, MISSING)).toEqual([pinned()]);
  });

  test('is not begun without a Secret that went meanwhile', async () => {
    await expect(asked(BY_SECRET, MISSING)).rejects.toMatchObject({
      fate: 'transient',
      reason: 'SecretNotFound',
    });
  });
});

describe('a volume that an image fills', () => {
  const SOURCE = { from: 'image', reference: REFERENCE } as const;
  const key = volumeKeyOf('default', 'data');
  const WISH = {
    id: volumeId('v'.repeat(24)),
    key,
    bytes: 2 ** 26,
    source: SOURCE,
    reclaimPolicy: 'Retain',
  } as const;

  function needing(spec: Partial<InstanceSpec>): World {
    const data = { declared: { is: 'wanted', wish: WISH }, disk: { state: 'absent' }, users: [] } as const;
    const mount = { volume: 'data', mountPath: '/data', readonly: false, overlay: false };
    return freshWorld({
      desired: wanted({ volumes: [mount], ...spec }),
      record: aRecord({ image: pinned() }),
      image: imageOf(REFERENCE),
      volumes: { data },
    });
  }

  test('is asked for with the pull secrets of the instance that needs it', () => {
    const create = { kind: 'create-volume', wish: WISH };
    expect(plan(needing({ imagePullSecrets: ['team'] })).actions).toEqual([
      { ...create, secretsOf: freshWorld().key },
    ]);
    expect(plan(needing({})).actions).toEqual([create]);
  });

  test('is filled with what they hold now, and not begun without', async () => {
    const shown: (readonly Secret[] | undefined)[] = [];
    const asked = (secrets: PullSecrets): Promise<void> =>
      createVolume(
        {
          volumes: {
            create: (_, credentials) => {
              shown.push(credentials);
              return Promise.resolve();
            },
          },
          pullSecretsOf: () => Promise.resolve(secrets),
        },
        { kind: 'create-volume', wish: WISH, secretsOf: freshWorld().key },
      );
    await asked(RIGHT);
    await expect(asked(MISSING)).rejects.toMatchObject({ reason: 'SecretNotFound' });
    expect(shown.map((configs) => configs?.map((one) => one.reveal()))).toEqual([['right']]);
  });
});
