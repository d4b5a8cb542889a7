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
