import type { InstanceKey } from '../machine/ids.ts';
import type { Desired, Environment } from '../plan/world.ts';
import { environmentDigests } from '../secrets/environment.ts';
import type { DeclaredEnvironment } from '../secrets/environment.ts';
import type { Declarations } from './eyes.ts';

/** What is declared under a key, its environment as digests under `salt`: no value enters the World. */
export async function desiredOf(
  declarations: Declarations,
  key: InstanceKey,
  salt: string,
): Promise<Desired> {
  const declared = declarations.declared(key);
  if (declared.is !== 'wanted') return declared;
  return { ...declared, environment: environmentFrom(await declarations.environmentOf(key), salt) };
}

function environmentFrom(environment: DeclaredEnvironment, salt: string): Environment {
  if (environment.is === 'missing') return environment;
  return { is: 'ready', digests: environmentDigests(environment.values, salt) };
}
