import { idleIn } from '../api/inheritance.ts';
import type { Instance } from '../api/instance.ts';
import { fillPolicy } from '../egress/fill-policy.ts';
import { revisionOf } from '../egress/revision.ts';
import type { PolicyShape } from '../machine/egress.ts';
import type { InstanceKey } from '../machine/ids.ts';
import type { Identity, InstanceRecord } from '../machine/record.ts';
import { disguiseOf, fieldsOfOpenRun, policyFor } from '../plan/policy-for.ts';
import type { CredentialsState, Desired, Environment } from '../plan/world.ts';
import { digestOf } from '../secrets/digest.ts';
import { environmentDigests } from '../secrets/environment.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import { guestEnvironment } from '../secrets/guest-environment.ts';
import type { Declarations } from './eyes.ts';

/** What is declared under a key, its environment as digests under the identity's salt: no value enters the World. */
export async function desiredOf(
  declarations: Declarations,
  key: InstanceKey,
  identity: Identity | 'unneeded',
  record?: InstanceRecord,
): Promise<Desired> {
  const declared = declarations.declared(key);
  if (declared.is !== 'wanted') return declared;
  const { instance, generation } = declared;
  const environment = await declarations.environmentOf(key);
  const running = fieldsOfOpenRun(record);
  const policy =
    identity === 'unneeded' ? undefined : policyFor(instance, { key, identity, generation, running });
  const salt = identity === 'unneeded' ? '' : identity.salt;
  return {
    ...declared,
    environment: environmentFrom(instance, environment, salt),
    credentials: policy === undefined ? { is: 'none' } : credentialsFrom(policy, environment, salt),
  };
}

function environmentFrom(instance: Instance, environment: DeclaredEnvironment, salt: string): Environment {
  if (environment.is === 'missing') return environment;
  const values = guestEnvironment(environment.values, disguiseOf(instance));
  const idle = idleIn(Object.keys(environment.values), instance.spec);
  const digests = environmentDigests(values, salt);
  return { is: 'ready', digests, ...(idle.length === 0 ? {} : { idle }) };
}

function credentialsFrom(
  shape: PolicyShape,
  environment: DeclaredEnvironment,
  salt: string,
): CredentialsState {
  const { policy, lack } = fillPolicy(shape, environment);
  const digests: Record<string, string> = {};
  for (const { credential, value } of policy.grants)
    if (value !== undefined) digests[credential] = digestOf(value, salt);
  const revision = revisionOf(policy, salt);
  if (lack === undefined) return { is: 'ready', revision, digests };
  return { is: 'missing', ...lack, revision, digests };
}
