import type { Instance } from '../api/instance.ts';
import { keyOf } from '../machine/ids.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { PullSecrets } from '../secrets/pull-secrets.ts';
import type { Secret } from '../secrets/secret.ts';
import type { SecretLookup } from './environment.ts';

/** The keys of Secrets of type kubernetes.io/dockerconfigjson and of the older kubernetes.io/dockercfg. */
const KEYS = ['.dockerconfigjson', '.dockercfg'] as const;

/** The Secrets that an instance names for its registry. */
export function pullSecretKeysOf({ namespace, spec }: Instance): readonly InstanceKey[] {
  return spec.imagePullSecrets.map((name) => keyOf(namespace, name));
}

/** What they hold. */
export function resolvePullSecrets(instance: Instance, secretOf: SecretLookup): PullSecrets {
  const configs: Secret[] = [];
  for (const key of pullSecretKeysOf(instance)) {
    const values = secretOf(key);
    const config = values === undefined ? undefined : configIn(values);
    if (config === undefined) return missing(key, values !== undefined);
    configs.push(config);
  }
  return { is: 'ready', configs };
}

function configIn(values: Readonly<Record<string, Secret>>): Secret | undefined {
  return KEYS.map((key) => (Object.hasOwn(values, key) ? values[key] : undefined)).find(
    (value) => value !== undefined,
  );
}

function missing(key: InstanceKey, isThere: boolean): PullSecrets {
  if (isThere)
    return {
      is: 'missing',
      reason: 'KeyMissing',
      message: `Secret ${key}, which imagePullSecrets names, has no ${KEYS[0]}: make it with kubectl create secret docker-registry, or give it type kubernetes.io/dockerconfigjson`,
    };
  return {
    is: 'missing',
    reason: 'SecretNotFound',
    message: `there is no Secret ${key}, which imagePullSecrets names: declare it, or remove the name`,
  };
}
