import type { Grant, Policy } from '../../src/egress/policy.ts';
import { Secret } from '../../src/secrets/secret.ts';

/** A grant of which only some things matter. */
export function grantOf(changes: Partial<Omit<Grant, 'value'>> & { readonly value?: string } = {}): Grant {
  return {
    credential: 'KEY',
    sourceEnv: 'REAL_KEY',
    hosts: ['api.test'],
    header: 'authorization',
    format: 'Bearer ${value}',
    when: 'always',
    placeholder: 'mock-KEY',
    ...changes,
    value: new Secret(changes.value ?? 'real-value'),
  };
}

export function policyOf(grants: readonly Grant[]): Policy {
  return {
    instance: 'one',
    key: 'default/one',
    guest: '10.100.0.2',
    gateway: '10.100.0.1',
    mode: 'all',
    generation: 1,
    grants,
  };
}
