import type { Grant, Policy } from '../../src/egress/policy.ts';
import { Secret } from '../../src/secrets/secret.ts';

export function aGrant(over: Partial<Grant> = {}): Grant {
  return {
    credential: 'OPENAI_KEY',
    sourceEnv: 'REAL_OPENAI_KEY',
    hosts: ['api.example.com'],
    header: 'authorization',
    format: 'Bearer ${value}',
    when: 'always',
    placeholder: 'mock-OPENAI_KEY',
    value: new Secret('real-value'),
    ...over,
  };
}

/** As it is put while its value is missing. */
export function aGrantWithoutValue(over: Partial<Omit<Grant, 'value'>> = {}): Grant {
  const { credential, sourceEnv, hosts, header, format, when, placeholder } = aGrant(over);
  return { credential, sourceEnv, hosts, header, format, when, placeholder };
}

export function aPolicy(over: Partial<Policy> = {}): Policy {
  return {
    instance: 'instance-a',
    key: 'default/a',
    guest: '10.100.0.2',
    gateway: '127.0.0.1',
    mode: 'all',
    generation: 1,
    grants: [aGrant()],
    ...over,
  };
}
