import type { Action } from '../plan/action.ts';
import type { Hands } from './hands.ts';
import { valuesMissing } from './planned-values.ts';

type Puller = Pick<Hands, 'pullSecretsOf'> & { readonly images: Pick<Hands['images'], 'pull'> };

/** Starts the pull, with the credentials that the instance names for the registry. Throws when they are missing. */
export async function pullImage(
  { images, pullSecretsOf }: Puller,
  { reference, digest, secretsOf }: Extract<Action, { kind: 'pull-image' }>,
): Promise<void> {
  const query = { reference, ...(digest === undefined ? {} : { digest }) };
  if (secretsOf === undefined) {
    images.pull(query);
    return;
  }
  const secrets = await pullSecretsOf(secretsOf);
  if (secrets.is === 'missing') throw valuesMissing(secrets);
  images.pull({ ...query, credentials: secrets.configs });
}

type Filler = Pick<Hands, 'pullSecretsOf'> & { readonly volumes: Pick<Hands['volumes'], 'create'> };

/** Starts the filling, with the credentials of the instance that needs the volume. Throws when they are missing. */
export async function createVolume(
  { volumes, pullSecretsOf }: Filler,
  { wish, secretsOf }: Extract<Action, { kind: 'create-volume' }>,
): Promise<void> {
  if (secretsOf === undefined) return volumes.create(wish);
  const secrets = await pullSecretsOf(secretsOf);
  if (secrets.is === 'missing') throw valuesMissing(secrets);
  return volumes.create(wish, secrets.configs);
}
