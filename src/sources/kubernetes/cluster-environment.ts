import type { Instance } from '../../api/instance.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { DeclaredEnvironment, Lack } from '../../secrets/environment.ts';
import type { PullSecrets } from '../../secrets/pull-secrets.ts';
import type { Secret } from '../../secrets/secret.ts';
import { resolveEnvironment } from '../environment.ts';
import { pullSecretKeysOf, resolvePullSecrets } from '../pull-secrets.ts';
import type { SecretStore } from './secret-store.ts';

/** The Secrets that an instance names: those of its environment, and those for its registry. */
export function secretsOf(instance: Instance): readonly InstanceKey[] {
  return [...environmentSecretsOf(instance), ...pullSecretKeysOf(instance)];
}

function environmentSecretsOf({ namespace, spec }: Instance): readonly InstanceKey[] {
  return spec.envFrom.flatMap((from) => (from.from === 'secret' ? [keyOf(namespace, from.name)] : []));
}

/** env and envFrom with the values of the cluster's Secrets. */
export async function environmentFrom(instance: Instance, store: SecretStore): Promise<DeclaredEnvironment> {
  const { values, troubles } = await valuesIn(store, environmentSecretsOf(instance), 'envFrom');
  return resolveEnvironment(instance, '', {
    secretOf: (secret) => values.get(secret),
    troubleOf: (secret) => troubles.get(secret),
  });
}

/** What the Secrets of imagePullSecrets hold. */
export async function pullSecretsFrom(instance: Instance, store: SecretStore): Promise<PullSecrets> {
  const { values, troubles } = await valuesIn(store, pullSecretKeysOf(instance), 'imagePullSecrets');
  const [trouble] = troubles.values();
  if (trouble !== undefined) return { is: 'missing', ...trouble };
  return resolvePullSecrets(instance, (secret) => values.get(secret));
}

type Found = {
  readonly values: ReadonlyMap<InstanceKey, Readonly<Record<string, Secret>>>;
  readonly troubles: ReadonlyMap<InstanceKey, Lack>;
};

/** Those that are there, and those that cannot be read; `by` is the field that names them. */
async function valuesIn(store: SecretStore, secrets: readonly InstanceKey[], by: string): Promise<Found> {
  const values = new Map<InstanceKey, Readonly<Record<string, Secret>>>();
  const troubles = new Map<InstanceKey, Lack>();
  for (const secret of secrets) {
    const state = await store.valuesOf(secret);
    if (state.is === 'ready') values.set(secret, state.values);
    if (state.is === 'unreadable')
      troubles.set(secret, {
        reason: 'SecretUnreadable',
        message: `Secret ${secret}, which ${by} names, cannot be read: ${state.message}`,
      });
  }
  return { values, troubles };
}
