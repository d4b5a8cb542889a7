import type { InstanceKey } from '../machine/ids.ts';
import type { Fields } from '../machine/record.ts';
import type { Desired, Environment } from '../plan/world.ts';
import { digestOf } from '../secrets/digest.ts';
import type { Secret } from '../secrets/secret.ts';
import type { Declarations, DeclaredEnvironment } from './eyes.ts';

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

/** One digest per name; the hands make them again before they write the values down for the guest. */
export function environmentDigests(values: Readonly<Record<string, Secret>>, salt: string): Fields {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, digestOf(value, salt)]));
}
