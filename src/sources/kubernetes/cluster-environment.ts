import type { Instance } from '../../api/instance.ts';
import { keyOf } from '../../machine/ids.ts';
import type { InstanceKey } from '../../machine/ids.ts';
import type { DeclaredEnvironment } from '../../secrets/environment.ts';
import type { Secret } from '../../secrets/secret.ts';
import { resolveEnvironment } from '../environment.ts';
import type { SecretStore } from './secret-store.ts';

/** The Secrets that an instance's environment is made from. */
export function secretsOf({ namespace, spec }: Instance): readonly InstanceKey[] {
  return spec.envFrom.flatMap((from) => (from.from === 'secret' ? [keyOf(namespace, from.name)] : []));
}

/** env and envFrom with the values of the cluster's Secrets. */
export async function environmentFrom(instance: Instance, store: SecretStore): Promise<DeclaredEnvironment> {
  const found = new Map<InstanceKey, Readonly<Record<string, Secret>>>();
  for (const secret of secretsOf(instance)) {
    const state = await store.valuesOf(secret);
    if (state.is === 'ready') found.set(secret, state.values);
    if (state.is === 'unreadable')
      return {
        is: 'missing',
        reason: 'SecretUnreadable',
        message: `Secret ${secret}, which envFrom names, cannot be read: ${state.message}`,
      };
  }
  return resolveEnvironment(instance, '', { secretOf: (secret) => found.get(secret) });
}
